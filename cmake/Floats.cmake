# What a compiler may do with floats: what ISO C says. Results have promised bits, and what is not a number is found by comparing.
# lib/core/core.h refuses the same for builds without CMake, as far as a compiler tells in macros.
include(CheckCSourceCompiles)

set(TLEG_FLOAT_OPTIONS)
if(CMAKE_C_COMPILER_ID STREQUAL IntelLLVM) # whose default is fast
  set(TLEG_FLOAT_OPTIONS -ffp-model=precise)
endif()

set(flags ${CMAKE_C_FLAGS})
foreach(type ${CMAKE_BUILD_TYPE} ${CMAKE_CONFIGURATION_TYPES})
  string(TOUPPER ${type} type)
  string(APPEND flags " ${CMAKE_C_FLAGS_${type}}")
endforeach()
get_directory_property(options COMPILE_OPTIONS) # a parent project's
list(JOIN options " " options)
string(GENEX_STRIP "${options}" options)
string(REPLACE "SHELL:" "" options "${options}")
string(APPEND flags " ${options} ${TLEG_FLOAT_OPTIONS}")

# The x87 unit keeps more digits than a float has: the bits of results would depend on the compiler, and vectors do not compile.
unset(TLEG_FLOATS_ARE_FLOATS CACHE) # flags may be others than last time
set(CMAKE_REQUIRED_FLAGS "${flags}")
set(CMAKE_REQUIRED_QUIET ON)
check_c_source_compiles("#if (defined(__i386__) || defined(__x86_64__)) && !defined(__SSE2_MATH__)
#error
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16
#error
#endif
int main(void) { return 0; }" TLEG_FLOATS_ARE_FLOATS)
if(NOT TLEG_FLOATS_ARE_FLOATS)
  message(FATAL_ERROR "libtleg does not build for the x87 unit: for 32-bit x86 add -DCMAKE_C_FLAGS=\"-m32 -msse2 -mfpmath=sse\"")
endif()

# clang tells of some in no macro: by name.
set(fast "Ofast|ffast-math|ffinite-math-only|fassociative-math|funsafe-math-optimizations|freciprocal-math|fno-signed-zeros")
string(APPEND fast "|fno-honor-nans|fno-honor-infinities|fapprox-func|f?fp-model=(fast|aggressive)[=0-9]*|mrecip[^ ]*")
set(found)
if(" ${flags} " MATCHES " (-(${fast})) ")
  set(found ": ${CMAKE_MATCH_1}")
endif()
unset(TLEG_FLOATS_ARE_EXACT CACHE)
check_c_source_compiles("#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__ > 0)
#error
#endif
#if defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || defined(__NO_SIGNED_ZEROS__)
#error
#endif
int main(void) { return 0; }" TLEG_FLOATS_ARE_EXACT)
unset(CMAKE_REQUIRED_FLAGS)
unset(CMAKE_REQUIRED_QUIET)
if(found OR NOT TLEG_FLOATS_ARE_EXACT)
  message(FATAL_ERROR "libtleg does not build with -ffast-math or what it stands for${found}. What is not a number would pass for one, and the "
                      "bits of results would depend on the compiler. Take such flags out of CMAKE_C_FLAGS and CFLAGS")
endif()

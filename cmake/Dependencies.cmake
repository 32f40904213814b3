# What a build needs from the system, and what is left out where that is missing. Error texts and notes name Debian's packages.

# jsmn cuts JSON into tokens: one header, compiled in.
set(TLEG_JSMN_INCLUDE_DIR "" CACHE PATH "Where jsmn.h lies, if not where the compiler looks")
include(CheckIncludeFile)
set(CMAKE_REQUIRED_INCLUDES ${TLEG_JSMN_INCLUDE_DIR})
check_include_file(jsmn.h TLEG_HAVE_JSMN)
unset(CMAKE_REQUIRED_INCLUDES)
if(NOT TLEG_HAVE_JSMN)
  unset(TLEG_HAVE_JSMN CACHE) # so that the next run looks again
  message(FATAL_ERROR "libtleg needs jsmn.h, one header (Debian: libjsmn-dev; or https://github.com/zserge/jsmn and "
                      "-DTLEG_JSMN_INCLUDE_DIR=its directory)")
endif()

# The command, the tests and the benchmarks train as well as infer; the command opens files.
foreach(part TOOLS TESTS BENCH)
  if(TLEG_${part} AND NOT TLEG_TRAIN)
    if(NOT TLEG_${part} STREQUAL auto)
      message(FATAL_ERROR "TLEG_${part} is ${TLEG_${part}}, but it needs TLEG_TRAIN=ON")
    endif()
    message(STATUS "left out: TLEG_${part}, which needs TLEG_TRAIN=ON")
    set(TLEG_${part} OFF)
  endif()
endforeach()
if(TLEG_TOOLS STREQUAL auto AND NOT TLEG_FILES)
  message(STATUS "left out: the command tleg, which needs TLEG_FILES=ON")
  set(TLEG_TOOLS OFF)
endif()

# tleg_part(OPTION WHAT MODULE PACKAGE ...): resolves an option that is `auto` by whether pkg-config finds its modules.
macro(tleg_part option what)
  if(${option})
    set(missing)
    set(pairs ${ARGN})
    while(pairs)
      list(POP_FRONT pairs module package)
      pkg_check_modules(TLEG_HAVE_${module} QUIET ${module})
      if(NOT TLEG_HAVE_${module}_FOUND)
        list(APPEND missing ${package})
      endif()
    endwhile()
    if(missing AND NOT PKG_CONFIG_FOUND)
      list(PREPEND missing pkg-config)
    endif()
    list(JOIN missing " " missing)
    if(NOT missing)
      set(${option} ON)
    elseif(${option} STREQUAL auto)
      message(STATUS "left out: ${what}. To build it, install (Debian): ${missing}")
      set(${option} OFF)
    else()
      message(FATAL_ERROR "${option} is ${${option}}, but what it needs was not found. Install (Debian): ${missing}")
    endif()
  endif()
endmacro()

tleg_part(TLEG_TOOLS "the command tleg" jansson libjansson-dev libjpeg libjpeg-dev libpng libpng-dev
          libutf8proc libutf8proc-dev)
if(CMAKE_CROSSCOMPILING AND TLEG_TESTS) # the tests bring what they need of cmocka
  set(TLEG_TESTS ON)
else()
  tleg_part(TLEG_TESTS "the tests" cmocka libcmocka-dev)
endif()

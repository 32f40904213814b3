# tleg_choice(NAME DEFAULT TEXT VALUE...): a cache variable that is one of the values; what a parent project has set stays.
macro(tleg_choice name default text)
  if(NOT DEFINED ${name})
    set(${name} ${default} CACHE STRING "${text}: ${ARGN}")
    set_property(CACHE ${name} PROPERTY STRINGS ${ARGN})
  endif()
endmacro()

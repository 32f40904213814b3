# What `cmake --install` writes: headers, both libraries, tleg.pc and the package of find_package(tleg). All of it finds its
# prefix from where it lies, so that the tree may be moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(tleg_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/tleg)

# A set each: a distribution may leave one of them out, or put it into a package of its own.
foreach(kind static shared)
  if(NOT TARGET tleg_${kind})
    continue()
  endif()
  install(TARGETS tleg_${kind} EXPORT tleg-${kind}
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT development
          INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT tleg-${kind} NAMESPACE tleg:: DESTINATION ${tleg_cmake_dir} COMPONENT development)
endforeach()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/tleg DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
        FILES_MATCHING PATTERN "*.h")

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/tleg-config.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/tleg-config.cmake
                              INSTALL_DESTINATION ${tleg_cmake_dir})
# Until 1.0 a minor version may change what a former one promised.
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/tleg-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/tleg-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/tleg-config-version.cmake
        DESTINATION ${tleg_cmake_dir} COMPONENT development)

# pkg-config: the shared library needs nothing of its user; the archive needs what it was built with.
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
  set(tleg_pc_prefix ${CMAKE_INSTALL_PREFIX})
else()
  file(RELATIVE_PATH tleg_pc_up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  string(REGEX REPLACE "/$" "" tleg_pc_up ${tleg_pc_up})
  set(tleg_pc_prefix "\${pcfiledir}/${tleg_pc_up}")
endif()
foreach(dir LIBDIR INCLUDEDIR)
  if(IS_ABSOLUTE ${CMAKE_INSTALL_${dir}})
    set(tleg_pc_${dir} ${CMAKE_INSTALL_${dir}})
  else()
    set(tleg_pc_${dir} "\${prefix}/${CMAKE_INSTALL_${dir}}")
  endif()
endforeach()
# No Requires.private: it would ask users of the shared library too for the BLAS's development package.
set(tleg_pc_private -lm)
if(TLEG_THREADS)
  list(PREPEND tleg_pc_private -pthread)
endif()
if(TLEG_BLAS STREQUAL link)
  list(GET TLEG_BLAS_LIBRARIES 0 tleg_pc_blas)
  get_filename_component(tleg_pc_blas ${tleg_pc_blas} DIRECTORY)
  list(PREPEND tleg_pc_private -L${tleg_pc_blas} -l${TLEG_BLAS_FOUND})
endif()
list(JOIN tleg_pc_private " " tleg_pc_private)
configure_file(${PROJECT_SOURCE_DIR}/tleg.pc.in ${CMAKE_CURRENT_BINARY_DIR}/tleg.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/tleg.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

# The licence, and those of what is compiled in.
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/THIRD-PARTY DESTINATION ${CMAKE_INSTALL_DOCDIR}
        COMPONENT runtime)

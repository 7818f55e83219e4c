# The installed tree: the libraries, the public headers, a CMake package and a pkg-config file.
#
# A header of core or net is public unless its name ends in _internal.h or begins with a backend's
# name (epoll_, uring_). Of sim, the world and what it is told are public; the model is not.

include(CMakePackageConfigHelpers)

install(TARGETS eddy_core eddy_net eddy_sim EXPORT eddy)
foreach(folder core net)
  install(DIRECTORY ${folder}/
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/eddy/${folder}
    FILES_MATCHING PATTERN "*.h"
    PATTERN "*_internal.h" EXCLUDE
    PATTERN "epoll_*" EXCLUDE
    PATTERN "uring_*" EXCLUDE)
endforeach()

install(FILES sim/faults.h sim/tape.h sim/uring_limits.h sim/world.h
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/eddy/sim)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/eddy)
install(EXPORT eddy FILE eddy-targets.cmake NAMESPACE eddy:: DESTINATION ${package_dir})
configure_package_config_file(cmake/eddy-config.cmake.in eddy-config.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(eddy-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES
  "${CMAKE_CURRENT_BINARY_DIR}/eddy-config.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/eddy-config-version.cmake"
  DESTINATION ${package_dir})

# The file finds its prefix from where it lies, so that an installed tree can be moved.
file(RELATIVE_PATH EDDY_PC_TO_PREFIX "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
if(EDDY_HAS_URING)
  set(EDDY_PC_DEFINITIONS "-DEDDY_HAS_URING=1")
endif()
configure_file(cmake/eddy.pc.in eddy.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/eddy.pc" DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

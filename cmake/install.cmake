# The installed tree: the libraries, the public headers, a CMake package and a pkg-config file.
#
# A header of core or net is public unless its name ends in _internal.h or begins with a backend's
# name (epoll_, uring_). Of sim, the world and what it is told are public; the model is not.

include(CMakePackageConfigHelpers)

install(TARGETS eddy_core eddy_memcached eddy_net eddy_resp eddy_sim EXPORT eddy)
if(EDDY_HAS_HTTP)
  install(TARGETS eddy_http EXPORT eddy)
else()
  set(left_out PATTERN "http" EXCLUDE)
endif()
if(EDDY_HAS_TLS)
  install(TARGETS eddy_tls EXPORT eddy)
else()
  list(APPEND left_out PATTERN "tls" EXCLUDE)
endif()
foreach(folder core net)
  install(DIRECTORY ${folder}/
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/eddy/${folder}
    FILES_MATCHING PATTERN "*.h"
    ${left_out}
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
  string(APPEND EDDY_PC_DEFINITIONS " -DEDDY_HAS_URING=1")
endif()
if(EDDY_HAS_HTTP)
  string(APPEND EDDY_PC_DEFINITIONS " -DEDDY_HAS_HTTP=1")
  set(EDDY_PC_HTTP "-leddy_http ")
  if(EDDY_LLHTTP_LIBRARY)
    string(APPEND EDDY_PC_HTTP "-lllhttp ")
  endif()
endif()
if(EDDY_HAS_TLS)
  string(APPEND EDDY_PC_DEFINITIONS " -DEDDY_HAS_TLS=1")
  set(EDDY_PC_TLS "-leddy_tls ")
  set(EDDY_PC_OPENSSL " -lssl -lcrypto")
endif()
configure_file(cmake/eddy.pc.in eddy.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/eddy.pc" DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# Sets EDDY_HAS_HTTP: whether eddy::http is built, which parses by llhttp.
#
# A library of the system's is taken where there is one (EDDY_LLHTTP_LIBRARY), else llhttp's sources, which
# Debian 12 has in the package node-llhttp: they become a part of eddy_http (net/http/CMakeLists.txt).

find_library(EDDY_LLHTTP_LIBRARY llhttp DOC "llhttp, as a library")
find_path(EDDY_LLHTTP_SOURCE_DIR llhttp.c PATHS /usr/share PATH_SUFFIXES llhttp DOC "The folder of llhttp.c")
find_path(EDDY_LLHTTP_INCLUDE_DIR llhttp.h PATHS /usr/share/include PATH_SUFFIXES llhttp DOC "The folder of llhttp.h")
mark_as_advanced(EDDY_LLHTTP_LIBRARY EDDY_LLHTTP_SOURCE_DIR EDDY_LLHTTP_INCLUDE_DIR)

if(EDDY_LLHTTP_INCLUDE_DIR AND (EDDY_LLHTTP_LIBRARY OR EDDY_LLHTTP_SOURCE_DIR))
  set(EDDY_HAS_HTTP ON)
else()
  set(EDDY_HAS_HTTP OFF)
  message(STATUS "eddy: no llhttp (Debian 12: node-llhttp; later: libllhttp-dev), so eddy::http is left out")
endif()

if(EDDY_HAS_HTTP AND NOT EDDY_LLHTTP_LIBRARY)
  if(NOT CMAKE_C_COMPILER_LAUNCHER)
    set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
  endif()
  enable_language(C)
endif()

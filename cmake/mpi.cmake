# Sets EDDY_HAS_MPI: whether `eddy load` can be one of several ranks. Only MPI's C interface is used.

set(EDDY_HAS_MPI OFF)
if(EDDY_BUILD_TOOLS AND NOT EDDY_WITH_MPI STREQUAL "OFF")
  if(NOT CMAKE_C_COMPILER_LAUNCHER)
    set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
  endif()
  enable_language(C)  # or else MPI's C interface is not looked for
  find_package(MPI COMPONENTS C)
  set(EDDY_HAS_MPI ${MPI_C_FOUND})
  if(NOT EDDY_HAS_MPI AND EDDY_WITH_MPI STREQUAL "AUTO")
    message(STATUS "eddy: no MPI (Debian: libopenmpi-dev), so eddy load runs on one machine")
  elseif(NOT EDDY_HAS_MPI)
    message(FATAL_ERROR "EDDY_WITH_MPI=ON, but there is no MPI (Debian: libopenmpi-dev)")
  endif()
endif()

# Sets EDDY_HAS_URING: whether the io_uring backend is built.
#
# Of liburing only the header is used, for its structures and its functions that fill in submission
# entries: the ring itself is entered through core/kernel.h, so nothing links to the library.

if(NOT EDDY_WITH_URING STREQUAL "OFF")
  find_path(EDDY_LIBURING_INCLUDE_DIR liburing.h DOC "The folder of liburing.h")
  mark_as_advanced(EDDY_LIBURING_INCLUDE_DIR)
endif()

if(EDDY_WITH_URING STREQUAL "OFF")
  set(EDDY_HAS_URING OFF)
elseif(EDDY_LIBURING_INCLUDE_DIR)
  set(EDDY_HAS_URING ON)
elseif(EDDY_WITH_URING STREQUAL "AUTO")
  set(EDDY_HAS_URING OFF)
  message(STATUS "eddy: no liburing.h (Debian: liburing-dev), so epoll alone is built")
else()
  message(FATAL_ERROR "EDDY_WITH_URING=ON, but there is no liburing.h (Debian: liburing-dev)")
endif()

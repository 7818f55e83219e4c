# How everything in this project is compiled. The scope is this project's folders: a project that
# takes eddy in with add_subdirectory keeps its own flags.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

if(PROJECT_IS_TOP_LEVEL)
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
  endif()
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
  find_program(CCACHE ccache)
  if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # What ccache asks for before it takes a precompiled header (tests/CMakeLists.txt).
    set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_SLOPPINESS=pch_defines,time_macros "${CCACHE}")
  endif()
endif()

# Frame pointers cost nothing that can be measured and make every profile readable.
add_compile_options(-fno-omit-frame-pointer)

# Designated initialisers that leave members out are how options are given here, so the warning
# about members that are left out is off.
add_compile_options(
  -Wall -Wextra -Wpedantic -Wshadow -Wformat=2
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor> $<$<COMPILE_LANGUAGE:CXX>:-Woverloaded-virtual>
  -Wcast-qual -Wvla -Wno-missing-field-initializers)
if(EDDY_WERROR)
  add_compile_options(-Werror)
endif()

# libstdc++'s own checks (an index out of bounds, an empty optional) wherever asserts are on.
add_compile_definitions($<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)

if(EDDY_SANITIZE)
  # Not vptr: its check opens a pipe, and takes a process that is out of descriptors, as some tests
  # make it, for one whose objects are broken.
  add_compile_options(-fsanitize=${EDDY_SANITIZE} -fno-sanitize-recover=all -fno-sanitize=vptr)
  add_link_options(-fsanitize=${EDDY_SANITIZE})
endif()

# The counters by which libFuzzer sees which input reaches something new.
if(EDDY_BUILD_FUZZERS)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

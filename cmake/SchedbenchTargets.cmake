# Helpers that keep each folder's CMakeLists.txt to a list of names.
include_guard(GLOBAL)

add_library(schedbench_warnings INTERFACE)
target_compile_options(schedbench_warnings INTERFACE -Wall -Wextra -Wconversion -Wshadow)
# Warnings are errors with the compiler this is developed on; another one's new warnings must not stop a user's build.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13 AND
   CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 12)
  target_compile_options(schedbench_warnings INTERFACE -Werror)
endif()
if(SCHEDBENCH_ASAN)
  target_compile_options(schedbench_warnings INTERFACE -fsanitize=address,undefined -fno-omit-frame-pointer)
  target_link_options(schedbench_warnings INTERFACE -fsanitize=address,undefined)
endif()

# One precompiled header for every target that uses tensors: ATen/ATen.h alone takes about ten seconds.
file(WRITE "${CMAKE_BINARY_DIR}/pch/torch_pch.cpp.in" "")
configure_file("${CMAKE_BINARY_DIR}/pch/torch_pch.cpp.in" "${CMAKE_BINARY_DIR}/pch/torch_pch.cpp" COPYONLY)
add_library(schedbench_torch_pch OBJECT "${CMAKE_BINARY_DIR}/pch/torch_pch.cpp")
target_link_libraries(schedbench_torch_pch PRIVATE LibTorch::torch_cpu schedbench_warnings)
target_precompile_headers(schedbench_torch_pch PRIVATE <ATen/ATen.h> <string> <vector>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CCACHE_PROGRAM)
  target_compile_options(schedbench_torch_pch PRIVATE -fpch-preprocess)
endif()

# schedbench_library(NAME FOLDER folder SOURCES a.cpp ... LINK lib ... [TORCH])
#
# The library's headers are seen as "<folder>/<noun>.h", and only by those that link to it: the include
# directory holds a link to this one folder, so an include against the order of the folders does not compile.
function(schedbench_library name)
  cmake_parse_arguments(ARG "TORCH" "FOLDER" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
  set(include_root "${CMAKE_BINARY_DIR}/include/${ARG_FOLDER}")
  file(MAKE_DIRECTORY "${include_root}")
  file(CREATE_LINK "${CMAKE_SOURCE_DIR}/${ARG_FOLDER}" "${include_root}/${ARG_FOLDER}" SYMBOLIC)
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC "${include_root}")
  target_link_libraries(${name} PUBLIC ${ARG_LINK} PRIVATE ${ARG_PRIVATE_LINK} schedbench_warnings)
  if(ARG_TORCH)
    schedbench_uses_torch(${name})
  endif()
endfunction()

function(schedbench_uses_torch name)
  target_link_libraries(${name} PRIVATE LibTorch::torch_cpu)
  target_precompile_headers(${name} REUSE_FROM schedbench_torch_pch)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CCACHE_PROGRAM)
    target_compile_options(${name} PRIVATE -fpch-preprocess)
  endif()
endfunction()

# schedbench_test(NAME SOURCES a.cpp ... LINK lib ... [TORCH] [LABELS x y])
# One GoogleTest program, registered as one ctest entry so that start-up cost is paid once.
function(schedbench_test name)
  cmake_parse_arguments(ARG "TORCH" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gtest GTest::gtest_main schedbench_warnings)
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}/tests/include")
  target_compile_definitions(${name} PRIVATE
    SCHEDBENCH_SOURCE_DIR="${CMAKE_SOURCE_DIR}" SCHEDBENCH_BINARY_DIR="${CMAKE_BINARY_DIR}")
  if(ARG_TORCH)
    schedbench_uses_torch(${name})
  endif()
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY "${CMAKE_BINARY_DIR}")
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT})
  if(ARG_LABELS)
    set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}")
  endif()
endfunction()

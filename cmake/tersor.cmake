# One function per room: a static library with exactly the dependencies of its line in
# docs/architecture.md, and one GoogleTest program of all <file>_test.cc in it.
include(GNUInstallDirs)

add_library(tersor_flags INTERFACE)
target_compile_features(tersor_flags INTERFACE cxx_std_20)
target_compile_options(tersor_flags INTERFACE
  -Wall -Wextra -Wconversion -Wno-sign-conversion -ffp-contract=off -fvisibility=hidden
  -fvisibility-inlines-hidden)
target_include_directories(tersor_flags INTERFACE
  ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
if(TERSOR_WERROR)
  target_compile_options(tersor_flags INTERFACE -Werror)
endif()
if(TERSOR_HARDEN)
  target_compile_options(tersor_flags INTERFACE -fstack-protector-strong)
  target_compile_definitions(tersor_flags INTERFACE _GLIBCXX_ASSERTIONS)
endif()
if(TERSOR_SANITIZE)
  target_compile_options(tersor_flags INTERFACE
    -fsanitize=${TERSOR_SANITIZE} -fno-omit-frame-pointer -g)
  target_link_options(tersor_flags INTERFACE -fsanitize=${TERSOR_SANITIZE})
endif()

# tersor_room(NAME base DEPS <rooms> THIRD <targets> [RECURSE])
function(tersor_room)
  cmake_parse_arguments(ROOM "RECURSE" "NAME" "DEPS;THIRD;THIRD_PRIVATE" ${ARGN})
  if(ROOM_RECURSE)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS *.cc)
  else()
    file(GLOB sources CONFIGURE_DEPENDS *.cc)
  endif()
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(TRANSFORM ROOM_DEPS PREPEND tersor_ OUTPUT_VARIABLE deps)
  set(target tersor_${ROOM_NAME})
  if(sources)
    add_library(${target} STATIC ${sources})
    target_link_libraries(${target} PUBLIC tersor_flags ${deps} ${ROOM_THIRD}
                          PRIVATE ${ROOM_THIRD_PRIVATE})
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE tersor_flags ${deps} ${ROOM_THIRD})
  endif()
  set_property(GLOBAL APPEND PROPERTY TERSOR_ROOMS ${target})
  if(tests AND TERSOR_TESTS)
    add_executable(${ROOM_NAME}_test ${tests})
    target_link_libraries(${ROOM_NAME}_test PRIVATE ${target} GTest::gtest GTest::gtest_main)
    set_target_properties(${ROOM_NAME}_test PROPERTIES
      RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    target_compile_definitions(${ROOM_NAME}_test PRIVATE
      TERSOR_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    add_test(NAME ${ROOM_NAME} COMMAND ${ROOM_NAME}_test)
  endif()
endfunction()

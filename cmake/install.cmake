# The program, the public headers and static libraries behind one target: tersor::tersor.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# The rooms are one library to the outside: their archives, linked as a group.
get_property(rooms GLOBAL PROPERTY TERSOR_ROOMS)
set(archives tersor_onnx_proto)
foreach(room ${rooms})
  get_target_property(type ${room} TYPE)
  if(type STREQUAL "STATIC_LIBRARY")
    list(APPEND archives ${room})
  endif()
endforeach()
install(TARGETS ${archives} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}/tersor)
if(TARGET tersor)
  install(TARGETS tersor RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/tersor DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

list(TRANSFORM archives REPLACE "(.+)" "lib\\1.a" OUTPUT_VARIABLE TERSOR_ARCHIVES)
configure_package_config_file(
  ${CMAKE_SOURCE_DIR}/cmake/tersor-config.cmake.in ${CMAKE_BINARY_DIR}/tersor-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tersor
  PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/tersor-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/tersor-config.cmake ${CMAKE_BINARY_DIR}/tersor-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tersor)

if(TERSOR_TESTS)
  # Installs into the build folder and builds a project of somebody else against it.
  add_test(NAME consumer COMMAND ${CMAKE_COMMAND}
    -DBUILD=${CMAKE_BINARY_DIR} -DSOURCE=${CMAKE_SOURCE_DIR}/tests/consumer
    -DMODEL=${CMAKE_SOURCE_DIR}/models/fashion_resnet.onnx
    -P ${CMAKE_SOURCE_DIR}/tests/consumer/test.cmake)
endif()

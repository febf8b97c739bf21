# SPDX-License-Identifier: MIT
# cmake --install: the program, the library with its headers and find_package(quarry), and the ready studies.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(quarry_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/quarry)
install(TARGETS quarry EXPORT quarryTargets)
if(TARGET quarry_program)
  install(TARGETS quarry_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(DIRECTORY include/quarry DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY configs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/quarry/configs FILES_MATCHING PATTERN *.toml)
install(EXPORT quarryTargets NAMESPACE quarry:: DESTINATION ${quarry_package_dir})
configure_package_config_file(cmake/quarryConfig.cmake.in quarryConfig.cmake
  INSTALL_DESTINATION ${quarry_package_dir})
write_basic_package_version_file(quarryConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/quarryConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/quarryConfigVersion.cmake DESTINATION ${quarry_package_dir})

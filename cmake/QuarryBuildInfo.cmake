# SPDX-License-Identifier: MIT
# What this build is, as a source file of the library: version, compiler, flags, libraries, and the git commit, which
# is looked up at every build so that it follows HEAD. Without git (a source archive) the commit is "unknown".
string(TOUPPER "${CMAKE_BUILD_TYPE}" build_type_upper)
set(QUARRY_CXX_FLAGS "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${build_type_upper}} -ffp-contract=off")
if(QUARRY_SANITIZE)
  string(APPEND QUARRY_CXX_FLAGS " -fsanitize=${QUARRY_SANITIZE}")
endif()
string(STRIP "${QUARRY_CXX_FLAGS}" QUARRY_CXX_FLAGS)

set(quarry_generated ${CMAKE_CURRENT_BINARY_DIR}/generated)
configure_file(cmake/build_info.cpp.in ${quarry_generated}/build_info.cpp @ONLY)
find_package(Git QUIET)
add_custom_target(quarry_commit
  COMMAND ${CMAKE_COMMAND} -DGIT=${GIT_EXECUTABLE} -DSOURCE=${CMAKE_CURRENT_SOURCE_DIR}
          -DOUTPUT=${quarry_generated}/quarry_commit.h -P ${CMAKE_CURRENT_SOURCE_DIR}/cmake/WriteCommit.cmake
  BYPRODUCTS ${quarry_generated}/quarry_commit.h
  COMMENT "" VERBATIM)
set_source_files_properties(${quarry_generated}/build_info.cpp PROPERTIES
  INCLUDE_DIRECTORIES ${quarry_generated} OBJECT_DEPENDS ${quarry_generated}/quarry_commit.h)
target_sources(quarry PRIVATE ${quarry_generated}/build_info.cpp)
add_dependencies(quarry quarry_commit)

# SPDX-License-Identifier: MIT
# cmake -DBUILD=... -DSOURCE=... -DWORK=... -DCOMPILER=... -DGENERATOR=... -P check.cmake
# Installs the build into WORK/prefix, then configures, builds and runs the consumer project against it.
cmake_minimum_required(VERSION 3.22)
file(REMOVE_RECURSE ${WORK})
function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ECHO STDOUT RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "failed (${result}): ${ARGV}")
  endif()
endfunction()
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)
run(${CMAKE_COMMAND} -S ${SOURCE} -B ${WORK}/build -G ${GENERATOR} -DCMAKE_CXX_COMPILER=${COMPILER}
    -DCMAKE_PREFIX_PATH=${WORK}/prefix)
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${WORK}/build/consumer)

# The installed program finds the studies installed with it.
run(${WORK}/prefix/bin/quarry --version)
execute_process(COMMAND ${WORK}/prefix/bin/quarry list studies WORKING_DIRECTORY ${WORK}
  OUTPUT_VARIABLE studies RESULT_VARIABLE result)
if(NOT result EQUAL 0 OR NOT studies MATCHES "share/quarry/configs/smoke.toml")
  message(FATAL_ERROR "the installed program does not list the installed studies (${result}):\n${studies}")
endif()

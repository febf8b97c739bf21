# SPDX-License-Identifier: MIT
# Runs PROGRAM. Where no GPU can be used it has to say so with exit code 3; where one can, every case has to hold.
execute_process(COMMAND ${PROGRAM} RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE complained)
if(status EQUAL 3 AND complained MATCHES "no GPU can be used: .")
  return()
endif()
if(NOT status EQUAL 0)
  message(FATAL_ERROR "exit code ${status}\n${said}${complained}")
endif()

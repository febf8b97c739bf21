# SPDX-License-Identifier: MIT
# cmake -DGIT=... -DSCRIPT=.../WriteCommit.cmake -DWORK=... -P check_commit.cmake
# The recorded commit follows HEAD, tells local changes, and is "unknown" outside the project's own repository.
cmake_minimum_required(VERSION 3.22)
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK}/tree/archive)
function(git)
  execute_process(COMMAND ${GIT} -C ${WORK}/tree -c user.name=t -c user.email=t@example.com ${ARGV}
    OUTPUT_VARIABLE text OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "git ${ARGV} failed (${result})")
  endif()
  set(text ${text} PARENT_SCOPE)
endfunction()
function(expect source expected)
  execute_process(COMMAND ${CMAKE_COMMAND} -DGIT=${GIT} -DSOURCE=${source} -DOUTPUT=${WORK}/commit.h -P ${SCRIPT}
    RESULT_VARIABLE result)
  file(READ ${WORK}/commit.h written)
  if(NOT result EQUAL 0 OR NOT written STREQUAL "#define QUARRY_COMMIT \"${expected}\"\n")
    message(FATAL_ERROR "expected ${expected} (${result}), but the header says: ${written}")
  endif()
endfunction()

git(init -q)
foreach(round 1 2)
  file(WRITE ${WORK}/tree/file "${round}")
  git(add -A)
  git(commit -q -m "round ${round}")
  git(rev-parse --short=12 HEAD)
  expect(${WORK}/tree ${text})
endforeach()
file(WRITE ${WORK}/tree/file "changed")
expect(${WORK}/tree ${text}-dirty)
expect(${WORK}/tree/archive unknown)   # an unpacked archive inside somebody else's repository
set(GIT "")
expect(${WORK}/tree unknown)

# SPDX-License-Identifier: MIT
# cmake -DGIT=... -DSOURCE=... -DOUTPUT=... -P WriteCommit.cmake: writes the header with the commit, if it changed.
cmake_minimum_required(VERSION 3.22)
set(commit "unknown")
if(GIT)
  # Only this tree's own repository counts: an unpacked archive inside another repository has no commit.
  execute_process(COMMAND ${GIT} -C ${SOURCE} rev-parse --show-toplevel
    OUTPUT_VARIABLE top ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  get_filename_component(source_real ${SOURCE} REALPATH)
  if(top STREQUAL source_real)
    execute_process(COMMAND ${GIT} -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=*
      OUTPUT_VARIABLE described ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(described)
      set(commit ${described})
    endif()
  endif()
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#define QUARRY_COMMIT \"@commit@\"\n" @ONLY)

# SPDX-License-Identifier: MIT
# QUARRY_FETCH=AUTO|ON|OFF decides QUARRY_HAS_FETCH: whether `quarry data fetch` can download and unpack.
# AUTO: on when libcurl and libarchive are there.
set(QUARRY_HAS_FETCH OFF)
if(NOT QUARRY_FETCH MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "QUARRY_FETCH='${QUARRY_FETCH}' is unknown; expected AUTO, ON or OFF")
endif()
if(NOT QUARRY_FETCH STREQUAL "OFF")
  find_package(CURL 7.85)
  find_package(LibArchive)
  if(CURL_FOUND AND LibArchive_FOUND)
    set(QUARRY_HAS_FETCH ON)
  elseif(QUARRY_FETCH STREQUAL "ON")
    message(FATAL_ERROR "QUARRY_FETCH=ON needs libcurl 7.85 or later and libarchive with their headers")
  endif()
endif()
message(STATUS "quarry: data fetch ${QUARRY_HAS_FETCH}")

# Takes out of a list of sources what does not belong in this build.
function(quarry_choose_fetch sources_variable)
  set(sources ${${sources_variable}})
  if(QUARRY_HAS_FETCH)
    list(FILTER sources EXCLUDE REGEX "/src/data/fetch_missing\\.cpp$")
  else()
    list(FILTER sources EXCLUDE REGEX "/src/data/(download_curl|unpack_libarchive)\\.cpp$")
  endif()
  set(${sources_variable} "${sources}" PARENT_SCOPE)
endfunction()

# SPDX-License-Identifier: MIT
# Optional libraries of the convolutional networks on the CPU. QUARRY_ONEDNN and QUARRY_OPENBLAS = AUTO|ON|OFF decide
# QUARRY_HAS_ONEDNN and QUARRY_HAS_OPENBLAS; AUTO: on where the library is found, in a version that fits. Without them
# the same networks train in plain code, slower.
set(QUARRY_ONEDNN AUTO CACHE STRING "Convolutions by oneDNN: AUTO, ON or OFF")
set(QUARRY_OPENBLAS AUTO CACHE STRING "Matrix products of the reference engine by OpenBLAS: AUTO, ON or OFF")
foreach(option ONEDNN OPENBLAS)
  set_property(CACHE QUARRY_${option} PROPERTY STRINGS AUTO ON OFF)
  set(QUARRY_HAS_${option} OFF)
  if(NOT QUARRY_${option} MATCHES "^(AUTO|ON|OFF)$")
    message(FATAL_ERROR "QUARRY_${option}='${QUARRY_${option}}' is unknown; expected AUTO, ON or OFF")
  endif()
endforeach()

# Found by hand: Debian's own package file of oneDNN asks for OpenCL's headers, which nothing here needs.
set(quarry_onednn_reason "QUARRY_ONEDNN=OFF")
if(NOT QUARRY_ONEDNN STREQUAL "OFF")
  find_path(QUARRY_ONEDNN_DIR oneapi/dnnl/dnnl_version.h)
  find_library(QUARRY_ONEDNN_LIBRARY dnnl)
  if(QUARRY_ONEDNN_DIR AND QUARRY_ONEDNN_LIBRARY)
    file(STRINGS ${QUARRY_ONEDNN_DIR}/oneapi/dnnl/dnnl_version.h version REGEX "VERSION_(MAJOR|MINOR) +[0-9]+")
    string(REGEX REPLACE "^[^0-9]*([0-9]+)[^0-9]*([0-9]+)$" "\\1.\\2" version "${version}")
    set(quarry_onednn_reason "version ${version}")
    if(version VERSION_GREATER_EQUAL 2.5 AND version VERSION_LESS 4)
      set(QUARRY_HAS_ONEDNN ON)
    else()   # src/nn/conv_describe_onednn.h knows the calls of these
      string(APPEND quarry_onednn_reason "; from 2.5 to 3.x is needed")
    endif()
  else()
    set(quarry_onednn_reason "not found; install libdnnl-dev")
  endif()
  if(QUARRY_ONEDNN STREQUAL "ON" AND NOT QUARRY_HAS_ONEDNN)
    message(FATAL_ERROR "QUARRY_ONEDNN=ON, but: ${quarry_onednn_reason}. QUARRY_ONEDNN=AUTO or OFF builds without it.")
  endif()
endif()

if(NOT QUARRY_OPENBLAS STREQUAL "OFF")
  # OpenBLAS's own cblas.h, not that of the reference library which may stand beside it.
  find_path(QUARRY_OPENBLAS_DIR openblas_config.h PATH_SUFFIXES openblas-pthread openblas-openmp openblas-serial openblas)
  find_library(QUARRY_OPENBLAS_LIBRARY openblas)
  if(QUARRY_OPENBLAS_DIR AND QUARRY_OPENBLAS_LIBRARY)
    set(QUARRY_HAS_OPENBLAS ON)
  elseif(QUARRY_OPENBLAS STREQUAL "ON")
    message(FATAL_ERROR "QUARRY_OPENBLAS=ON, but OpenBLAS was not found; install libopenblas-dev, or take AUTO or OFF")
  endif()
endif()
message(STATUS "quarry: convolutions by oneDNN ${QUARRY_HAS_ONEDNN} (${quarry_onednn_reason}), "
               "OpenBLAS ${QUARRY_HAS_OPENBLAS}")

# A user of the installed package links by name: nothing of this machine's paths goes with it.
function(quarry_link_libraries target)
  foreach(library ONEDNN OPENBLAS)
    string(TOLOWER ${library} name)
    string(REPLACE "onednn" "dnnl" name ${name})
    if(QUARRY_HAS_${library})
      target_include_directories(${target} SYSTEM PRIVATE $<BUILD_INTERFACE:${QUARRY_${library}_DIR}>)
      target_link_libraries(${target} PRIVATE
        $<BUILD_INTERFACE:${QUARRY_${library}_LIBRARY}> $<INSTALL_INTERFACE:${name}>)
    endif()
  endforeach()
endfunction()

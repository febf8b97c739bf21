# SPDX-License-Identifier: MIT
# QUARRY_CUDA=AUTO|ON|OFF. There are no CUDA kernels in the tree yet, so AUTO resolves to OFF and says so.
set(QUARRY_HAS_CUDA OFF)
file(GLOB quarry_cuda_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/kernels/*.cu)
if(NOT quarry_cuda_sources)
  if(QUARRY_CUDA STREQUAL "ON")
    message(FATAL_ERROR "QUARRY_CUDA=ON, but this version has no CUDA kernels. Use QUARRY_CUDA=AUTO or OFF.")
  endif()
  set(quarry_cuda_reason "this version has no CUDA kernels")
endif()
message(STATUS "quarry: CUDA backend ${QUARRY_HAS_CUDA} (${quarry_cuda_reason})")

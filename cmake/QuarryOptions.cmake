# SPDX-License-Identifier: MIT
# Compiler settings that every quarry target shares.
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported()
if(QUARRY_SANITIZE)
  set(CMAKE_CXX_FLAGS_RELEASE "-O1")   # half the compile time of -O2, and the tests run nearly as fast
else()
  set(CMAKE_CXX_FLAGS_RELEASE "-O2")   # assertions stay on: they are cheap beside the kernels
endif()

add_library(quarry_options INTERFACE)
target_compile_options(quarry_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:
  -Wall -Wextra -Wpedantic -Wshadow
  -ffp-contract=off              # a fused multiply-add only where the source says so: results are a contract
  -fstack-protector-strong>)
target_link_options(quarry_options INTERFACE -Wl,-z,relro,-z,now)

# Warnings are errors where quarry is tested (scripts/test.sh), not where a newer compiler knows new ones.
if(QUARRY_SANITIZE AND NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # The instrumentation itself makes gcc guess at uninitialised variables.
  set(CMAKE_COMPILE_WARNING_AS_ERROR OFF)
endif()
if(QUARRY_SANITIZE)
  add_compile_options(-fsanitize=${QUARRY_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all -g1)
  add_link_options(-fsanitize=${QUARRY_SANITIZE})
  if(QUARRY_SANITIZE MATCHES "address")   # the same name for every compiler
    add_compile_definitions(QUARRY_UNDER_ASAN)
  elseif(QUARRY_SANITIZE MATCHES "thread")
    add_compile_definitions(QUARRY_UNDER_TSAN)
  elseif(QUARRY_SANITIZE MATCHES "memory")
    add_compile_definitions(QUARRY_UNDER_MSAN)
  endif()
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(quarry_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2>)
endif()

# kernels/*_avx512.cpp and *_avx2.cpp are compiled for their instruction set and chosen at run time.
function(quarry_instruction_set_flags sources_variable)
  if(NOT QUARRY_SANITIZE)
    set(optimise "-O3")
  endif()
  foreach(source IN LISTS ${sources_variable})
    if(source MATCHES "_avx512\\.cpp$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS
        "${optimise};-mavx512f;-mavx512dq;-mavx512bw;-mavx512vl;-mfma;-mprefer-vector-width=512")
    elseif(source MATCHES "_avx2\\.cpp$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${optimise};-mavx2;-mfma")
    elseif(source MATCHES "/kernels/[^/]+\\.cpp$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${optimise}")
    endif()
  endforeach()
endfunction()

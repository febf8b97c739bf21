// SPDX-License-Identifier: MIT
// QUARRY_HD marks functions that host and device share; plain C++ compilers see nothing.
#pragma once

#if defined(__CUDACC__)
#define QUARRY_HD __host__ __device__
#else
#define QUARRY_HD
#endif

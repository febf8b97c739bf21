// SPDX-License-Identifier: MIT
// CUDA's built-in vector types, with CUDA's alignment: a misaligned vector load is undefined behaviour that UBSan sees.
#pragma once

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};

#define SIMT_VECTOR2(name, element, alignment)    \
  struct alignas(alignment) name {                \
    element x, y;                                 \
  };                                              \
  inline name make_##name(element x, element y) { \
    return {x, y};                                \
  }
#define SIMT_VECTOR4(name, element, alignment)                          \
  struct alignas(alignment) name {                                      \
    element x, y, z, w;                                                 \
  };                                                                    \
  inline name make_##name(element x, element y, element z, element w) { \
    return {x, y, z, w};                                                \
  }

SIMT_VECTOR2(char2, signed char, 2)
SIMT_VECTOR2(uchar2, unsigned char, 2)
SIMT_VECTOR2(short2, short, 4)
SIMT_VECTOR2(ushort2, unsigned short, 4)
SIMT_VECTOR2(int2, int, 8)
SIMT_VECTOR2(uint2, unsigned, 8)
SIMT_VECTOR2(longlong2, long long, 16)
SIMT_VECTOR2(ulonglong2, unsigned long long, 16)
SIMT_VECTOR2(float2, float, 8)
SIMT_VECTOR2(double2, double, 16)
SIMT_VECTOR4(char4, signed char, 4)
SIMT_VECTOR4(uchar4, unsigned char, 4)
SIMT_VECTOR4(short4, short, 8)
SIMT_VECTOR4(ushort4, unsigned short, 8)
SIMT_VECTOR4(int4, int, 16)
SIMT_VECTOR4(uint4, unsigned, 16)
SIMT_VECTOR4(float4, float, 16)

#undef SIMT_VECTOR2
#undef SIMT_VECTOR4

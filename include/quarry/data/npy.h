// SPDX-License-Identifier: MIT
// NPY, NumPy's file of one array.
#pragma once

#include <string>
#include <string_view>

#include "quarry/data/array.h"

namespace quarry {

/// Accepts: the magic bytes 93 "NUMPY"; version 1.0, 2.0 or 3.0; a header of at most 10,000 bytes that is a Python
/// dictionary literal with exactly the keys 'descr', 'fortran_order' and 'shape', followed by blanks; then the
/// elements and not a byte more. descr is one of b1, u1, i1, u2, i2, u4, i4, u8, i8, f2, f4, f8 with a byte order of
/// '<', '>', '=' or '|' (for one byte, any). Rank at most 8. The header is read by hand, nothing is evaluated; object
/// (pickle), string, structured and complex types are refused. Fortran order comes out transposed to C order.
/// Pure function. Errors: failed, with `path` and byte.
NumericArray parse_npy(std::string_view bytes, const std::string& path);

}  // namespace quarry

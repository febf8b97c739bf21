// SPDX-License-Identifier: MIT
// The files of the LIBSVM sets that are published without checksums.
#pragma once

#include <string>
#include <string_view>

namespace quarry {

/// Whether the bytes are the file `name` of the set as far as can be told: its instances, features and classes. Sets
/// and files that are not known here are not checked. `where` is what messages call it. Error: failed, with what was
/// expected.
void check_libsvm_file(std::string_view data_set, std::string_view name, std::string_view bytes,
                       const std::string& where);

}  // namespace quarry

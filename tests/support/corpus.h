// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace quarry::test {

/// Runs the body of a fuzz target on each file of tests/fuzz/corpus/<name>/. An empty corpus, and an exception of the
/// body, fail the test; the file is named.
void replay_corpus(const std::string& name, const std::function<void(std::string_view)>& body);

}  // namespace quarry::test

// SPDX-License-Identifier: MIT
// Faults that the operators below plant in a source, and the rewriting that lets one compiled program hold all of them.
//
//   barrier   a barrier or a wait is dropped           sum      + and - change places, += and -=
//   index     a subscript is one too large             constant a literal is one too large
//   stride    the factors of a 2-D index are swapped   atomic   an atomic becomes a load and a store
//   bound     a loop starts or ends one step off       lane     threadIdx or blockIdx is one too large
//   shuffle   a mask loses lane 31, an offset is off,  fma      a * b + c with two roundings
//             a value stays in its lane                zero     what starts at 0 starts at 77, {} is not cleared
//   extreme   max and min change places                check    a condition is not asked
//   stale     an assignment or a swap is left out      compare  > takes ties, < becomes >, == becomes !=
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tests/simt/mutants/code.h"

namespace quarry::mutants {

/// Text put around a stretch of the source; @ stands for the number of the mutant.
struct Edit {
  std::size_t begin, end;
  std::string before, after;
};

struct Mutant {
  std::string function, fault;  ///< fault: one of the operators above
  std::string change;           ///< "was -> becomes", " (2)" and so on behind the second equal one of a function
  int line = 0;
  std::vector<Edit> edits;
};

/// Every mutant of the device functions of a source, in the order of the text.
std::vector<Mutant> find_mutants(const Code& code);

/// The chosen mutants: at most `most`, faults in turn, within a fault by a hash of the function and the change, so that
/// an edit of the source moves few of them. Returns indices in ascending order.
std::vector<std::size_t> sample_mutants(const std::vector<Mutant>& all, std::size_t most);

/// The source with the chosen mutants as run-time choices: number first + k switches on all[chosen[k]]. Lines keep
/// their numbers. Error: SourceError if edits cross.
std::string plant(const Code& code, const std::vector<Mutant>& all, const std::vector<std::size_t>& chosen, int first);

}  // namespace quarry::mutants

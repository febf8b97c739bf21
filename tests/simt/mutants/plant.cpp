// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include "tests/simt/mutants/mutant.h"

namespace quarry::mutants {
namespace {

std::uint64_t hash(std::string_view text) {  // FNV-1a: the same on every machine
  std::uint64_t h = 0xcbf29ce484222325u;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return h;
}

struct Placed {
  const Edit* edit;
  int number;
  std::size_t length() const { return edit->end - edit->begin; }
};

std::string numbered(const std::string& text, int number) {
  std::string out = text;
  const std::size_t at = out.find('@');
  if (at != std::string::npos) out.replace(at, 1, std::to_string(number));
  return out;
}

}  // namespace

std::vector<std::size_t> sample_mutants(const std::vector<Mutant>& all, std::size_t most) {
  std::map<std::string, std::vector<std::pair<std::uint64_t, std::size_t>>> by_fault;
  for (std::size_t i = 0; i < all.size(); ++i) {
    by_fault[all[i].fault].emplace_back(hash(all[i].function + all[i].change), i);
  }
  for (auto& [fault, list] : by_fault) std::sort(list.begin(), list.end());
  std::vector<std::size_t> chosen;
  for (std::size_t turn = 0; chosen.size() < std::min(most, all.size()); ++turn) {
    for (const auto& [fault, list] : by_fault) {
      if (turn < list.size() && chosen.size() < most) chosen.push_back(list[turn].second);
    }
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

std::string plant(const Code& code, const std::vector<Mutant>& all, const std::vector<std::size_t>& chosen, int first) {
  std::vector<Placed> edits;
  for (std::size_t k = 0; k < chosen.size(); ++k) {
    for (const Edit& edit : all[chosen[k]].edits) edits.push_back({&edit, first + static_cast<int>(k)});
  }
  // Outer edits open before inner ones.
  std::stable_sort(edits.begin(), edits.end(), [](const Placed& a, const Placed& b) {
    return a.edit->begin != b.edit->begin ? a.edit->begin < b.edit->begin : a.length() > b.length();
  });
  const std::string& source = code.tokens().source();
  std::string out;
  std::size_t at = 0;
  std::vector<Placed> open;
  const auto copy_to = [&](std::size_t end) {
    out.append(source, at, end - at);
    at = end;
  };
  const auto close_until = [&](std::size_t position) {
    while (!open.empty() && open.back().edit->end <= position) {
      copy_to(open.back().edit->end);
      out += numbered(open.back().edit->after, open.back().number);
      open.pop_back();
    }
  };
  for (const Placed& placed : edits) {
    close_until(placed.edit->begin);
    if (!open.empty() && placed.edit->end > open.back().edit->end) throw SourceError(0, "mutants that cross");
    copy_to(placed.edit->begin);
    out += numbered(placed.edit->before, placed.number);
    open.push_back(placed);
  }
  close_until(source.size());
  copy_to(source.size());
  return out;
}

}  // namespace quarry::mutants

// SPDX-License-Identifier: MIT
#include "quarry/data/labels.h"

#include <cmath>
#include <cstddef>
#include <optional>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/data/limits.h"
#include "src/data/numbers.h"

namespace quarry {
namespace {

/// Class numbers of a part's texts; `classes` maps each key to its class number.
template <class Key, class KeyOf>
void renumber(LabelColumn& column, const std::map<Key, std::int32_t>& classes, KeyOf key_of) {
  std::vector<std::int32_t> class_of;
  for (const std::string& name : column.names) class_of.push_back(classes.at(key_of(name)));
  for (std::int32_t& id : column.ids) id = class_of[static_cast<std::size_t>(id)];
}

template <class Key, class KeyOf, class NameOf>
std::vector<std::string> merge(LabelColumn& train, LabelColumn& test, KeyOf key_of, NameOf name_of) {
  std::map<Key, std::int32_t> classes;
  for (const LabelColumn* column : {&train, &test}) {
    for (const std::string& name : column->names) classes[key_of(name)] = 0;
  }
  std::vector<std::string> names;
  for (auto& [key, number] : classes) {
    number = static_cast<std::int32_t>(names.size());
    names.push_back(name_of(key));
  }
  renumber(train, classes, key_of);
  renumber(test, classes, key_of);
  train.names = test.names = names;
  return names;
}

bool all_integers(const LabelColumn& column) {
  for (const std::string& name : column.names) {
    if (!integer_in(name)) return false;
  }
  return true;
}

}  // namespace

bool LabelCollector::add(std::string_view text) {
  auto at = known_.find(text);
  if (at == known_.end()) {
    if (known_.size() == Limits::kMaxClasses) return false;
    at = known_.emplace(std::string(text), static_cast<std::int32_t>(known_.size())).first;
    column_.names.emplace_back(text);
  }
  column_.ids.push_back(at->second);
  return true;
}

LabelColumn LabelCollector::take() {
  known_.clear();
  return std::move(column_);
}

LabelColumn label_column(std::span<const std::int64_t> labels, const std::string& where) {
  LabelCollector collector;
  for (const std::int64_t label : labels) {
    if (!collector.add(std::to_string(label))) {
      fail("{}: more than {} different labels. Are they measurements? A class per instance cannot be learned", where,
           Limits::kMaxClasses);
    }
  }
  return collector.take();
}

std::vector<std::string> merge_classes(LabelColumn& train, LabelColumn& test) {
  if (all_integers(train) && all_integers(test)) {
    return merge<std::int64_t>(
        train, test, [](const std::string& name) { return *integer_in(name); },
        [](std::int64_t value) { return std::to_string(value); });
  }
  const auto same = [](const std::string& name) { return name; };
  return merge<std::string>(train, test, same, same);
}

}  // namespace quarry

// SPDX-License-Identifier: MIT
#include "quarry/study/dataset_json.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/core/json.h"
#include "quarry/core/text.h"

namespace quarry {
namespace {

constexpr std::int64_t kMost = 2147483647;

/// What a file of the study describes, in its final version.
struct Described {
  std::string_view file, name;
  std::int64_t features, instances, honeypots, classes, pool;
};
constexpr Described kDescribed[] = {
    {"moons", "moons", 2, 600, 0, 2, 480},      {"adv_moons", "adversarial_moons", 2, 600, 100, 2, 480},
    {"blobs", "blobs", 2, 400, 200, 2, 320},    {"div_sin", "diverging_sine", 2, 500, 0, 2, 400},
    {"splice", "splice", 60, 3175, 0, 2, 1000}, {"dna", "dna", 180, 3186, 0, 3, 2000}};

class Importer {
 public:
  Importer(std::string_view text, const std::string& path) : path_(path), json_(Json::parse(text, path)) {
    if (json_.type() != Json::Type::object)
      fail("{}: expected an object of keys and values, got {}", path, kind_of(json_));
    const std::string stem = std::filesystem::path(path).stem().string();
    for (const Described& set : kDescribed)
      if (set.file == stem || set.name == stem) set_ = &set;
    study_ = stem;
  }

  ImportedConfig run() {
    check_sizes();
    check_metrics();
    for (const auto& [key, value] : json_.members())
      if (std::find(std::begin(kKeys), std::end(kKeys), key) == std::end(kKeys))
        note("unknown key '{}' is left out", printable(key));
    write();
    return std::move(result_);
  }

 private:
  static constexpr std::string_view kKeys[] = {"n_features", "n_instances",  "n_honeypot", "n_classes", "batch_size",
                                               "budget",     "metrics_dict", "n_labeled",  "train_size"};

  static std::string_view kind_of(const Json& value) {
    constexpr std::string_view kKinds[] = {"null",     "true or false", "an integer", "a number",
                                           "a string", "a list",        "an object"};
    return kKinds[static_cast<std::size_t>(value.type())];
  }

  template <class... Args>
  void note(fmt::format_string<Args...> format, Args&&... args) {
    result_.notes.push_back(path_ + ": " + fmt::format(format, std::forward<Args>(args)...));
  }

  std::optional<std::int64_t> integer(std::string_view key, std::int64_t least) const {
    const Json* value = json_.find(key);
    if (value == nullptr) return {};
    if (value->type() != Json::Type::integer)
      fail("{}: {}: expected an integer of at least {}, got {}", path_, key, least, kind_of(*value));
    if (value->integer() < least || value->integer() > kMost)
      fail("{}: {}: expected an integer from {} to {}, got {}", path_, key, least, kMost, value->integer());
    return value->integer();
  }

  void expect(std::string_view key, std::optional<std::int64_t> given, std::int64_t actual) const {
    if (given && *given != actual)
      fail("{}: {}: {} of the data set '{}' in its final version, got {}. Is it another version (data.version)?", path_,
           key, actual, set_->name, *given);
  }

  void check_sizes() {
    const auto features = integer("n_features", 1), instances = integer("n_instances", 1),
               honeypots = integer("n_honeypot", 0);
    classes_ = integer("n_classes", 2);
    const auto train = train_size(instances);
    if (set_ == nullptr) {
      note("there is no data set '{}': [data] is yours to fill in, and no size was compared", printable(study_));
      return;
    }
    expect("n_features", features, set_->features);
    expect("n_instances", instances, set_->instances);
    expect("n_honeypot", honeypots, set_->honeypots);
    expect("n_classes", classes_, set_->classes);
    expect("train_size", train, set_->pool);
  }

  /// As a number of instances.
  std::optional<std::int64_t> train_size(std::optional<std::int64_t> instances) {
    const Json* value = json_.find("train_size");
    if (value == nullptr || value->type() != Json::Type::real) return integer("train_size", 1);
    if (!(value->number() > 0 && value->number() < 1))
      fail("{}: train_size: expected a number of instances or a share between 0 and 1, got {}", path_, value->number());
    if (!instances && set_ != nullptr) instances = set_->instances;
    if (!instances) return {};
    return static_cast<std::int64_t>(value->number() * static_cast<double>(*instances));
  }

  void check_metrics() {
    const Json* metrics = json_.find("metrics_dict");
    if (metrics == nullptr) return;
    if (metrics->type() != Json::Type::object)
      fail("{}: metrics_dict: expected an object of metric names, got {}", path_, kind_of(*metrics));
    for (const auto& [name, arguments] : metrics->members()) {
      if (arguments.type() != Json::Type::object)
        fail("{}: metrics_dict.{}: expected an object of arguments, got {}", path_, printable(name),
             kind_of(arguments));
      if (!std::string_view(name).ends_with("Accuracy") && !std::string_view(name).ends_with("accuracy"))
        note("metric '{}' is left out: results have accuracy, loss, likelihood and area under the curve",
             printable(name));
      const Json* classes = arguments.find("num_classes");
      if (classes == nullptr) continue;
      if (classes->type() != Json::Type::integer)
        fail("{}: metrics_dict.{}.num_classes: expected an integer, got {}", path_, printable(name), kind_of(*classes));
      if (classes_ && classes->integer() != *classes_)
        fail("{}: metrics_dict.{}.num_classes: {}, but n_classes is {}", path_, printable(name), classes->integer(),
             *classes_);
    }
  }

  void write() {
    std::string& out = result_.toml;
    out = fmt::format("# {}, a data set of the online-tuning study\nstudy = \"{}\"\npreset = \"faithful\"\n",
                      printable(std::filesystem::path(path_).filename().string()), study_name());
    if (set_ != nullptr)
      out += fmt::format("\n[data]\nname = \"{}\"\n", set_->name);
    else
      out += "\n[data]\nname = \"file\"\npath = \"\"  # your file, and what else its format needs\n";
    if (const auto labelled = integer("n_labeled", 1)) out += fmt::format("\n[pool]\nn_initial = {}\n", *labelled);
    if (const auto budget = integer("budget", 0)) out += fmt::format("\n[acquisition]\nbudget = {}\n", *budget);
    if (const auto batch = integer("batch_size", 1)) {
      if (*batch > 65536) fail("{}: batch_size: expected at most 65536, got {}", path_, *batch);
      out += fmt::format("\n[training]\nbatch_size = {}\n", *batch);
    }
  }

  /// Of the letters that a study's name may have.
  std::string study_name() const {
    std::string name;
    for (const char c : study_.substr(0, 64)) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
      name += plain ? c : '_';
    }
    return name.empty() ? "study" : name;
  }

  const std::string& path_;
  const Json json_;
  const Described* set_ = nullptr;
  std::string study_;
  std::optional<std::int64_t> classes_;
  ImportedConfig result_;
};

}  // namespace

ImportedConfig import_dataset_json(std::string_view json, const std::string& path) {
  return Importer(json, path).run();
}

}  // namespace quarry

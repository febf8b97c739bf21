// SPDX-License-Identifier: MIT
#include "quarry/study/cells.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>
#include <utility>

#include "quarry/core/error.h"
#include "quarry/core/text.h"
#include "quarry/study/frozen_set_run.h"
#include "quarry/study/image_fits.h"
#include "quarry/study/journal.h"
#include "quarry/study/protocol.h"
#include "quarry/study/run_rows.h"
#include "src/study/image_records.h"

namespace quarry {
namespace {

std::string setting(const RunConfig& config) {
  return fmt::format("lr{}_wd{}/seed{}", config.lr, config.weight_decay, config.seed);
}

std::string cycle_name(std::size_t cycle) {
  return fmt::format("cycle{}", cycle);
}

/// The published files hold single-precision accuracies.
double as_float(double value) {
  return static_cast<double>(static_cast<float>(value));
}

/// YAML of the keys that made the run: one line each.
std::string arguments_text(const RunConfig& config) {
  return fmt::format(
      "dataset: {}\nseed: {}\nbudget: {}\nal_strategy: {}\nal_lr: {}\nal_weight_decay: {}\nmodel: {}\nn_epochs: {}\n"
      "batch_size: {}\nnum_opt_samples: {}\nnum_folds: {}\ncross_validation: {}\nlr: [{}, {}]\n"
      "weight_decay: [{}, {}]\n",
      cell_dataset(config.data.name), config.seed, config.acquired_labels, config.strategy, config.lr,
      config.weight_decay, to_string(config.network), config.epochs, config.batch_size, config.trials, config.folds,
      config.cross_validation == CrossValidation::k_fold ? "k_fold" : "hold_out", config.lr_low, config.lr_high,
      config.weight_decay_low, config.weight_decay_high);
}

/// The text with every path cut to its last name: results hold no paths.
std::string without_folders(const std::string& text) {
  std::string out;
  std::size_t word = 0;  // where the current word begins in `out`
  for (const char c : text) {
    if (c == '/') {
      out.resize(word);
    } else {
      out += c;
      if (c == ' ' || c == ';' || c == '(') word = out.size();
    }
  }
  return out;
}

/// The pool's other positions, ascending.
Json rest_of(std::int64_t pool, std::vector<std::int32_t> taken) {
  std::sort(taken.begin(), taken.end());
  Json rest = Json::array();
  auto next = taken.begin();
  for (std::int32_t position = 0; position < pool; ++position) {
    if (next != taken.end() && *next == position) {
      ++next;
    } else {
      rest.push(position);
    }
  }
  return rest;
}

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  fail("{}: {}; expected an object of cycle0, cycle1, ..., each a list of pool positions", path, what);
}

std::string find_acquired(FileSystem& files, const RunConfig& config) {
  const std::string cell = acquired_cell_path(config) + "/queried_indices.json";
  std::string root = config.acquired;
  while (root.size() > 1 && root.back() == '/') root.pop_back();
  std::vector<std::string> places = {root + "/cells/" + cell, root + "/" + cell};
  const std::size_t slash = root.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : root.substr(0, slash + 1);
  const std::string name = root.substr(slash + 1) + ".shard-";  // npos + 1 = 0
  if (files.is_directory(parent))
    for (const std::string& entry : files.list(parent))
      if (entry.starts_with(name)) places.push_back(fmt::format("{}/{}/cells/{}", parent, entry, cell));
  for (const std::string& place : places)
    if (files.exists(place)) return place;
  fail(
      "{}: there is no such file (nor {}); pool.acquired must name the folder of a finished active-learning study that "
      "has this data set, strategy, learning rate, weight decay and seed",
      places[0], places[1]);
}

std::int64_t number_in(const Json& root, const std::string& key, const std::string& path) {
  const Json* const value = root.type() == Json::Type::object ? root.find(key) : nullptr;
  if (value == nullptr || value->type() != Json::Type::integer)
    fail("{}: expected an object with an integer '{}'; is the file damaged?", path, key);
  return value->integer();
}

/// Refuses labels of other images than those that the positions mean here.
void check_same_pool(const std::string& path, const Json& theirs, const PoolImages& here) {
  if (number_in(theirs, "rows_crc", path) != pool_rows_crc(here.rows))
    fail(
        "{}: there the pool positions mean other rows of the data set than here; run.seed, run.rng, data.pool_limit "
        "and data.holdout_share must be those of the active-learning study",
        path);
  if (number_in(theirs, "data_fingerprint", path) != here.fingerprint)
    usage_error(
        "{}: the labels were acquired on other data than this search would train on, which is {}; let data.path, "
        "data.name and data.pool_limit be those of the active-learning study, or acquire again on this data",
        path, here.source);
}

/// How many places of the list hold a position that is there before.
std::int64_t repeated_in(std::vector<std::int32_t> positions) {
  std::sort(positions.begin(), positions.end());
  return positions.end() - std::unique(positions.begin(), positions.end());
}

}  // namespace

std::string cell_dataset(const std::string& data_name) {
  std::string name = data_name;
  for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return name;
}

std::string acquired_cell_path(const RunConfig& config) {
  return fmt::format("{}/{}/{}", cell_dataset(config.data.name), config.strategy, setting(config));
}

std::string cell_path(const RunConfig& config) {
  if (config.mode != Mode::frozen_set) return acquired_cell_path(config);
  return fmt::format("{}/{}/budget{}/{}", cell_dataset(config.data.name), config.strategy, config.acquired_labels,
                     setting(config));
}

std::vector<std::vector<std::int32_t>> parse_queried_indices(std::string_view text, const std::string& path) {
  const Json root = Json::parse(text, path);
  if (root.type() != Json::Type::object || root.members().empty()) refuse(path, "no cycles");
  std::vector<std::vector<std::int32_t>> cycles;
  for (const auto& [name, list] : root.members()) {
    if (name != cycle_name(cycles.size())) refuse(path, fmt::format("'{}' is not the next cycle", printable(name)));
    if (list.type() != Json::Type::array) refuse(path, fmt::format("{} is no list", name));
    std::vector<std::int32_t>& positions = cycles.emplace_back();
    for (const Json& item : list.items()) {
      if (item.type() != Json::Type::integer || item.integer() < 0 || item.integer() > 0x7fffffff)
        refuse(path, fmt::format("{} holds something that is no position", name));
      positions.push_back(static_cast<std::int32_t>(item.integer()));
    }
  }
  return cycles;
}

std::int64_t pool_rows_crc(std::span<const std::int32_t> rows) {
  std::string bytes;
  bytes.reserve(4 * rows.size());
  for (const std::int32_t row : rows)
    for (int shift = 0; shift < 32; shift += 8)
      bytes += static_cast<char>(static_cast<std::uint32_t>(row) >> shift & 0xff);
  return crc32_of(bytes);
}

AcquiredSet read_acquired(FileSystem& files, const RunConfig& config, const PoolImages& images) {
  const std::string path = find_acquired(files, config);
  const auto pool = static_cast<std::int64_t>(images.rows.size());
  const std::string beside = path.substr(0, path.rfind('/') + 1) + "pool.json";
  AcquiredSet acquired;
  acquired.pool_is_known = files.exists(beside);
  if (acquired.pool_is_known) check_same_pool(beside, Json::parse(files.read(beside), beside), images);
  std::vector<std::int32_t>& positions = acquired.positions;
  for (const std::vector<std::int32_t>& cycle : parse_queried_indices(files.read(path), path))
    positions.insert(positions.end(), cycle.begin(), cycle.end());
  if (static_cast<std::int64_t>(positions.size()) < config.acquired_labels)
    fail("{}: holds {} positions, fewer than pool.acquired_labels = {}", path, positions.size(),
         config.acquired_labels);
  positions.resize(static_cast<std::size_t>(config.acquired_labels));
  std::vector<bool> seen(static_cast<std::size_t>(pool), false);
  for (const std::int32_t position : positions) {
    if (position >= pool)
      fail("{}: position {} is beyond the pool of {} images; was it made with another data.holdout_share?", path,
           position, pool);
    if (seen[static_cast<std::size_t>(position)] && acquired.pool_is_known)
      fail("{}: position {} is there twice, which quarry never writes; is the file damaged?", path, position);
    seen[static_cast<std::size_t>(position)] = true;
  }
  return acquired;
}

std::vector<CellFile> learning_cell_files(const StudyRun& run, const std::vector<Json>& records) {
  if (std::ssize(records) != 1 + std::int64_t{iterations_total(run.config)}) return {};
  const std::int64_t pool = records.front().at("pool").integer();
  std::vector<std::int32_t> labelled = integers_of(records.front().at("initial"));
  Json results = Json::object(), queried = Json::object();
  Json diverged = Json::array(), non_finite = Json::array(), by_position = Json::array();
  for (std::size_t r = 1; r < records.size(); ++r) {
    const Json& record = records[r];
    const std::size_t cycle = r - 1;
    const std::vector<std::int32_t> added = integers_of(record.at("added"));
    queried.set(cycle_name(cycle), Json::array_of(cycle == 0 ? labelled : added));
    labelled.insert(labelled.end(), added.begin(), added.end());
    Json entry = Json::object();
    if (cycle > 0) entry.set("query_indices", Json::array_of(added)).set("query_time", 0.0);
    if (record.at("tested").boolean()) {
      Json test = Json::object();
      test.set("num_labeled_samples", record.at("labelled")).set("accuracy", as_float(record.at("test_acc").number()));
      entry.set("test_stats", std::move(test));
      if (!std::isfinite(record.at("test_loss").number())) non_finite.push(static_cast<std::int64_t>(cycle));
    }
    entry.set("labeled_indices", Json::array_of(labelled)).set("n_labeled_samples", record.at("labelled"));
    entry.set("unlabeled_indices", rest_of(pool, labelled)).set("n_unlabeled_samples", record.at("unlabelled"));
    results.set(cycle_name(cycle), std::move(entry));
    if (record.at("diverged").boolean()) diverged.push(static_cast<std::int64_t>(cycle));
    if (const std::int32_t picks = by_position_in(record); picks > 0)
      by_position.push(Json::object().set("cycle", static_cast<std::int64_t>(cycle)).set("picks", picks));
  }
  std::vector<CellFile> files = {{"results.json", results.dump(Json::NonFinite::bare) + "\n"},
                                 {"queried_indices.json", queried.dump() + "\n"}};
  const Json identity = Json::object()
                            .set("positions", pool)
                            .set("rows_crc", records.front().at("pool_rows_crc"))
                            .set("data_fingerprint", records.front().at("data_fingerprint"));
  files.push_back({"pool.json", identity.dump() + "\n"});
  Json notes = Json::object();
  if (!diverged.items().empty()) notes.set("diverged_cycles", std::move(diverged));
  if (!non_finite.items().empty()) notes.set("non_finite_loss_cycles", std::move(non_finite));
  if (!by_position.items().empty()) notes.set("picked_by_position", std::move(by_position));
  if (!notes.members().empty()) files.push_back({"notes.json", notes.dump() + "\n"});
  return files;
}

std::vector<CellFile> search_cell_files(const StudyRun& run, const std::vector<Json>& records) {
  if (records.empty() || records.back().at("type").string() != "final") return {};
  const Json& last = records.back();
  Json trials = Json::array();
  for (const Json& record : records) {
    if (record.at("type").string() != "trial") continue;
    const Json conf = Json::object().set("lr", record.at("lr")).set("weight_decay", record.at("weight_decay"));
    Json res = Json::object();
    res.set("val_loss", record.at("val_loss")).set("val_acc", record.at("val_acc"));
    res.set("val_nll", record.at("val_loss")).set("trial_id", fmt::format("{:05}", record.at("number").integer()));
    res.set("time_total_s", 0.0).set("config", conf);
    trials.push(Json::object().set("res", std::move(res)).set("conf", conf));
  }
  Json results = Json::object();
  results.set("args", arguments_text(run.config));
  results.set(
      "test_stats",
      Json::object().set("test_acc", as_float(last.at("test_acc").number())).set("test_nll", last.at("test_nll")));
  results.set("ray-results", std::move(trials));
  std::vector<CellFile> files = {{"results.json", results.dump(Json::NonFinite::bare) + "\n"}};
  Json notes = Json::object();
  if (last.at("diverged").boolean()) notes.set("diverged", true);
  if (records.front().find("pool_is_known") != nullptr) notes.set("pool_is_known", false);
  if (const std::int64_t repeated = repeated_in(integers_of(records.front().at("acquired"))); repeated > 0)
    notes.set("repeated_positions", repeated);
  if (!notes.members().empty()) files.push_back({"notes.json", notes.dump() + "\n"});
  return files;
}

CellFile protocol_file(const RunConfig& config, const Json& first, const Json& labels_from) {
  const Json protocol = config.mode == Mode::frozen_set ? search_protocol(config, labels_from)
                                                        : learning_protocol(config, first.at("pool").integer());
  return {"protocol.json", protocol.dump() + "\n"};
}

Json acquired_protocol(FileSystem& files, const RunConfig& config) {
  const std::string path = find_acquired(files, config);
  const std::string beside = path.substr(0, path.rfind('/') + 1) + "protocol.json";
  if (!files.exists(beside)) return nullptr;
  const std::string text = files.read(beside);
  static_cast<void>(parse_protocol(text, beside));  // refuses what would be carried into our own file
  return Json::parse(text, beside);
}

std::string cell_data_record(const ImageDataset& data) {
  Json record = Json::object();
  record.set("name", data.name).set("origin", data.origin == PixelOrigin::published ? "published" : "unverified");
  record.set("source", without_folders(data.source)).set("classes", data.n_classes);
  return record.dump() + "\n";
}

}  // namespace quarry

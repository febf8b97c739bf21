// SPDX-License-Identifier: MIT
// Which keys a run reads at all. A grid over a key that no run reads would show settings with equal results as if they
// were different. Only what is certain: a key that is not in this table counts as read.
#include <algorithm>
#include <iterator>

#include "quarry/core/error.h"
#include "quarry/study/keychain.h"
#include "src/study/config_grid.h"

namespace quarry {
namespace {

using Reads = bool (*)(const RunConfig&);

bool is_frozen(const RunConfig& run) {
  return run.mode == Mode::frozen_set;
}
/// Keychains search for a meta model in every mode.
bool searches(const RunConfig& run) {
  return run.mode != Mode::fixed || is_keychain(run.strategy);
}
bool has_bald(const RunConfig& run) {
  return run.strategy == "bald";
}
bool has_features(const RunConfig& run) {
  return run.strategy == "coreset" || run.strategy == "badge" || is_keychain(run.strategy);
}
bool has_keychain(const RunConfig& run) {
  return is_keychain(run.strategy);
}
bool reads_hidden(const RunConfig& run) {
  return run.mode == Mode::fixed && run.network == NetworkKind::mlp;
}
/// frozen_set: they name the cell whose labels are searched on.
bool reads_model(const RunConfig& run) {
  return run.mode == Mode::fixed || is_frozen(run);
}
bool reads_dropout(const RunConfig& run) {
  return reads_model(run) || !run.tune_dropout || run.network != NetworkKind::mlp;
}
bool reads_random_rng(const RunConfig& run) {
  return run.strategy == "random" || is_keychain(run.strategy);
}
bool reads_log_epsilon(const RunConfig& run) {
  return run.strategy == "entropy" || run.strategy == "bald" || is_keychain(run.strategy);
}
bool stops_early(const RunConfig& run) {
  return run.early_stopping != EarlyStopping::none;
}
bool warms_up(const RunConfig& run) {
  return run.schedule == LrSchedule::warmup_cosine;
}
bool reads_folds(const RunConfig& run) {
  return run.mode == Mode::online_dynamic || is_frozen(run);
}
bool tunes_on_whole(const RunConfig& run) {
  return run.mode == Mode::constant_whole;
}
bool is_constant(const RunConfig& run) {
  return run.mode == Mode::constant_whole || run.mode == Mode::constant_initial;
}

struct ReadKey {
  std::string_view key;  ///< full name; "section.prefix*" = every key that begins so and has no row above
  Reads is_read;
  std::string_view when;  ///< "it is read " ...
};

constexpr ReadKey kReadKeys[] = {
    {"model.hidden", reads_hidden, "by perceptrons with search.mode = \"fixed\"; searches choose their own layers"},
    {"model.lr", reads_model, "with search.mode = \"fixed\" or \"frozen_set\"; other searches choose it"},
    {"model.weight_decay", reads_model, "with search.mode = \"fixed\" or \"frozen_set\"; other searches choose it"},
    {"model.dropout", reads_dropout, "with search.mode = \"fixed\" or search.tune_dropout = false; searches choose it"},
    {"acquisition.mc_passes", has_bald, "by the strategy bald"},
    {"acquisition.bald_clamp", has_bald, "by the strategy bald"},
    {"acquisition.coreset_layer", has_features, "by the strategies coreset and badge"},
    {"acquisition.random_rng", reads_random_rng, "by the strategy random"},
    {"acquisition.log_epsilon", reads_log_epsilon, "by the strategies entropy and bald"},
    {"acquisition.keychain*", has_keychain, "by the keychain strategies"},
    {"training.patience", stops_early, "with training.early_stopping"},
    {"training.stopping_warmup", stops_early, "with training.early_stopping"},
    {"training.warmup_epochs", warms_up, "with training.schedule = \"warmup_cosine\""},
    {"pool.acquired", is_frozen, "with search.mode = \"frozen_set\""},
    {"pool.acquired_labels", is_frozen, "with search.mode = \"frozen_set\""},
    {"search.mode", [](const RunConfig&) { return true; }, "always"},
    {"search.folds", reads_folds, "with search.mode = \"online_dynamic\" or \"frozen_set\""},
    {"search.whole_folds", tunes_on_whole, "with search.mode = \"constant_whole\""},
    {"search.whole_val_share", tunes_on_whole, "with search.mode = \"constant_whole\""},
    {"search.cache_last_trial", is_constant, "with search.mode = \"constant_whole\" or \"constant_initial\""},
    {"search.measure", is_frozen, "with search.mode = \"frozen_set\""},
    {"search.first_point", is_frozen, "with search.mode = \"frozen_set\""},
    {"search.lag", is_frozen, "with search.mode = \"frozen_set\""},
    {"search.augment_validation", is_frozen, "with search.mode = \"frozen_set\""},
    {"search.*", searches, "by searches, and search.mode = \"fixed\" has none"}};

const ReadKey* find_read_key(const std::string& name) {
  const auto fits = [&](const ReadKey& entry) {
    return entry.key.ends_with('*') ? name.starts_with(entry.key.substr(0, entry.key.size() - 1)) : name == entry.key;
  };
  const ReadKey* found = std::find_if(std::begin(kReadKeys), std::end(kReadKeys), fits);
  return found == std::end(kReadKeys) ? nullptr : found;
}

}  // namespace

void refuse_unread_axes(const std::vector<ConfigAxis>& axes, const std::vector<StudyRun>& runs,
                        const std::string& path) {
  for (const ConfigAxis& axis : axes) {
    if (axis.values.size() < 2) continue;
    const ReadKey* key = find_read_key(axis.row->full_name());
    const auto reads = [&](const StudyRun& run) { return key->is_read(run.config); };
    if (key == nullptr || std::any_of(runs.begin(), runs.end(), reads)) continue;
    usage_error(
        "{}: {}: a list of {} values, but no run of the study reads this key, so their results would be the same: it "
        "is read {}",
        describe(path, axis.place), axis.row->full_name(), axis.values.size(), key->when);
  }
}

std::vector<std::string> unread_search_notes(const std::vector<ConfigAxis>& axes, const ConfigDraft& draft,
                                             const std::vector<StudyRun>& runs) {
  if (std::any_of(runs.begin(), runs.end(), [](const StudyRun& run) { return searches(run.config); })) return {};
  std::string keys;
  for (const ConfigAxis& axis : axes) {
    if (!axis.place.known() || axis.row->section != "search" || axis.row->name == "mode") continue;
    const std::optional<ConfigValue> in_preset = axis.row->in_preset(draft.preset);
    // Only values count: the resolved text writes every key.
    if (axis.values.front().same_as(in_preset ? *in_preset : axis.row->get(*axis.row, ConfigDraft{}))) continue;
    keys += fmt::format("{}{}", keys.empty() ? "" : ", ", axis.row->full_name());
  }
  if (keys.empty()) return {};
  return {fmt::format("note: search.mode is \"fixed\", so no search runs and nothing reads {}", keys)};
}

}  // namespace quarry

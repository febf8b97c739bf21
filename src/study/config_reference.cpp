// SPDX-License-Identifier: MIT
// docs/config.md, made from the table.
#include "quarry/core/error.h"
#include "src/study/config_table.h"

namespace quarry {
namespace {

constexpr std::string_view kIntroduction = R"(# Config reference

This page is made from the program's own table of keys; a test keeps it current.

A study is one TOML file: `quarry run STUDY.toml`. Every key has a default, so a file says only what it changes:

```toml
study = "my_study"           # results go to OUT/my_study
preset = "corrected"         # or "faithful", "seed", "keychain", "hyperparameter_study": published studies

[run]
seed = "0..9"                # ten seeds; a list works too: [0, 1, 7]

[data]
name = "moons"

[acquisition]
strategy = ["random", "entropy", "coreset"]   # a list is a grid axis
budget = 50

[search]
mode = ["fixed", "constant_initial"]
```

* **Grid.** Every key but those marked *one per study* may be given a list; the study is the product of all lists, at
  most 1000000 runs. `model.hidden` is a list itself, so its axis is a list of lists: `[[48], [48, 48]]`. Runs are
  ordered by the tables below: the last axis varies fastest, seeds innermost of all. A list of a key that no run of the
  study reads, as `search.trials` where no run searches, is refused.
* **Command line.** `--set section.key=value` overrides the file, the last one wins: `--set acquisition.budget=100`,
  `--set "acquisition.strategy=[random, bald]"`, `--set run.seed=0..4`, `--set preset=faithful`. Words need no quotes.
* **Pairs.** Lists that belong together, such as learning rates with their weight decays, are walked side by side when
  `together` names their keys: `together = "model.lr, model.weight_decay"`.
* **Presets.** A preset fills in the keys that neither the file nor the command line gives: `corrected` (the defaults),
  `faithful` (the online-tuning study's final version with its quirks), `seed` and `keychain` (its first version, and
  the last one whose keychains run: `faithful` but for what their columns say; both run on the CPU) and
  `hyperparameter_study` (the hyperparameter study: residual networks on images). The tables say where they differ from
  the defaults. What every quirk is called in the study's list of them, and which key it is: docs/online_tuning.md.
* **Errors.** Unknown keys, wrong types, values out of range and keys that contradict each other end the program with
  exit code 2 and `file:line:column`, before anything is written.
* **Resolved text.** Beside its results a study keeps the text of every key with its value; parsing it gives the same
  study again.
* **Your own data.** `name = "file"`, `path` and, for CSV, `label`:

```toml
[data]
name = "file"
path = "measurements.csv"
label = "species"
test_share = 0.25
```
)";

std::string section_title(std::string_view section) {
  return section.empty() ? "Top of the file" : fmt::format("[{}]", section);
}

}  // namespace

std::string config_reference() {
  std::string out(kIntroduction);
  const ConfigDraft defaults;
  std::string_view section = "none";
  for (const ConfigRow& row : config_rows()) {
    if (row.section != section) {
      section = row.section;
      out += fmt::format(
          "\n## {}\n\n| key | type | values | default | faithful | seed | keychain | "
          "hyperparameter_study | meaning |\n",
          section_title(section));
      out += "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
    }
    const auto shown = [](const std::optional<ConfigValue>& value) {
      return value ? fmt::format("`{}`", to_toml(*value)) : "";
    };
    out += fmt::format("| `{}` | {} | {} | `{}` | {} | {} | {} | {} | {}{} |\n", row.name, row.type(), row.values(),
                       to_toml(row.get(row, defaults)), shown(row.faithful), shown(row.seed), shown(row.keychain),
                       shown(row.hyperparameter_study), row.summary, row.study_wide ? "; *one per study*" : "");
  }
  return out;
}

}  // namespace quarry

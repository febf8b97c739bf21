// SPDX-License-Identifier: MIT
// quarry list KIND: what a config may name, read from the tables that the library itself uses.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/al/strategy.h"
#include "quarry/core/error.h"
#include "quarry/core/file_system.h"
#include "quarry/core/text.h"
#include "quarry/data/data_table.h"
#include "quarry/hpo/search.h"
#include "quarry/nn/model_table.h"
#include "src/cli/commands.h"
#include "src/cli/output.h"

namespace quarry::cli {
namespace {

struct Row {
  std::string name, summary;
};

template <class Table>
std::vector<Row> rows_of(const Table& table) {
  std::vector<Row> rows;
  for (const auto& entry : table) rows.push_back({std::string(entry.name), std::string(entry.summary)});
  return rows;
}

std::vector<Row> dataset_rows() {
  std::vector<Row> rows;
  for (const DataEntry& entry : data_table()) {
    std::string summary(entry.summary);
    if (!entry.needs.empty()) summary += fmt::format(" [needs {}]", entry.needs);
    rows.push_back({std::string(entry.name), std::move(summary)});
  }
  return rows;
}

/// The folder of ready studies: installed beside the program (prefix/bin, prefix/share), or in the source tree that
/// the program was built in (build/<preset>), or in the current folder.
std::filesystem::path config_folder() {
  std::error_code ignored;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const char* relative : {"../share/quarry/configs", "../../configs"}) {
    const std::filesystem::path folder = (program / relative).lexically_normal();
    if (std::filesystem::exists(folder / "smoke.toml", ignored)) return folder;
  }
  return "configs";
}

/// First sentence of the comment that a config starts with, after the licence line.
std::string first_sentence(const std::string& text) {
  std::string comment;
  for (std::size_t start = 0; start < text.size() && text[start] == '#';) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    const std::string line = text.substr(start + 1, end - start - 1);
    if (line.find("SPDX") == std::string::npos) comment += line;
    start = end + 1;
  }
  comment = printable(comment.substr(0, comment.find(". ")));
  if (comment.ends_with(".")) comment.pop_back();
  return comment.starts_with(" ") ? comment.substr(1) : comment;
}

/// A path as a person would type it here: relative if it lies below the current folder.
std::string short_path(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path here = std::filesystem::current_path(error);
  const std::filesystem::path relative = path.lexically_relative(here);
  return error || relative.empty() || *relative.begin() == ".." ? path.string() : relative.string();
}

/// The studies that come with quarry. Error: failed, if they are not to be found.
std::vector<Row> study_rows() {
  const std::filesystem::path folder = config_folder();
  std::error_code error;
  std::vector<Row> rows;
  for (auto entry = std::filesystem::recursive_directory_iterator(folder, error);
       !error && entry != std::filesystem::recursive_directory_iterator(); entry.increment(error)) {
    if (entry->path().extension() != ".toml") continue;
    rows.push_back({short_path(entry->path()), first_sentence(read_file(entry->path().string()))});
  }
  if (error) {
    fail("cannot list the studies in {}: {}. Run quarry from its source tree or install it with its configs.",
         folder.string(), error.message());
  }
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.name < b.name; });
  return rows;
}

struct Kind {
  std::string_view name;
  std::vector<Row> (*rows)();
};

constexpr Kind kKinds[] = {
    {"strategies", [] { return rows_of(strategy_table()); }}, {"datasets", dataset_rows},
    {"models", [] { return rows_of(model_table()); }},        {"samplers", [] { return rows_of(sampler_table()); }},
    {"pruners", [] { return rows_of(pruner_table()); }},      {"studies", study_rows},
};

void print_rows(const std::vector<Row>& rows) {
  std::size_t width = 0;
  for (const Row& row : rows) width = std::max(width, row.name.size());
  for (const Row& row : rows) print("{:<{}}  {}\n", row.name, width, row.summary);
}

void list(const std::optional<std::string>& wanted) {
  std::vector<std::string_view> names;
  for (const Kind& kind : kKinds) {
    names.push_back(kind.name);
    if (kind.name == wanted) return print_rows(kind.rows());
  }
  if (wanted) {
    const std::vector<std::string> known(names.begin(), names.end());
    usage_error("quarry list knows no '{}'.{} It lists {}.", *wanted, suggestion(*wanted, names), join(known, ", "));
  }
  for (const Kind& kind : kKinds) {
    print("{}{}:\n", &kind == kKinds ? "" : "\n", kind.name);
    try {
      print_rows(kind.rows());
    } catch (const Error& error) {  // what is not here takes nothing from the rest
      print("{}\n", error.what());
    }
  }
}

}  // namespace

void add_list_command(Command& program) {
  Command command = program.add("list", "List what a config may name, and the studies that come with quarry",
                                "quarry list strategies");
  auto wanted = std::make_shared<std::optional<std::string>>();
  command.option("KIND", *wanted, "strategies, datasets, models, samplers, pruners or studies; all if left out");
  command.action([wanted] {
    list(*wanted);
    return 0;
  });
}

}  // namespace quarry::cli

// SPDX-License-Identifier: MIT
// quarry compare OURS THEIRS: where two results of a hyperparameter study part.
#include <memory>
#include <string>

#include "quarry/core/text.h"
#include "quarry/report/compare.h"
#include "src/cli/commands.h"
#include "src/cli/output.h"

namespace quarry::cli {
namespace {

struct Arguments {
  std::string ours, theirs;
  bool every_cycle = false;
};

int compare(const Arguments& arguments) {
  const Comparison comparison =
      compare_results(posix_file_system(), arguments.ours, arguments.theirs, arguments.every_cycle);
  std::size_t different = 0;
  std::int64_t one_sided = 0;
  for (const CellComparison& cell : comparison.cells) {
    different += !cell.equal;
    one_sided += cell.one_sided;
    print("{}: {}\n", printable(cell.name),
          !cell.equal          ? "different"
          : cell.one_sided > 0 ? "equal as far as both were tested"
                               : "equal");
    for (const std::string& line : cell.lines) print("  {}\n", printable(line));
  }
  for (const std::string& name : comparison.only_ours) print("{}: only in OURS\n", printable(name));
  for (const std::string& name : comparison.only_theirs) print("{}: only in THEIRS\n", printable(name));
  print("{} compared, {} different, {} only in OURS, {} only in THEIRS\n", comparison.cells.size(), different,
        comparison.only_ours.size(), comparison.only_theirs.size());
  if (one_sided > 0) print("{} cycles were tested on one side only: their accuracies are not compared\n", one_sided);
  return comparison.equal() ? 0 : 1;
}

}  // namespace

void add_compare_command(Command& program) {
  Command command = program.add("compare", "Compare two results of a hyperparameter study, cycle by cycle",
                                "quarry compare results/hyperparameter THEIR_RESULTS\n"
                                "quarry compare a/queried_indices.json b/queried_indices.json");
  auto arguments = std::make_shared<Arguments>();
  command.option("OURS", arguments->ours,
                 "a results.json or queried_indices.json, the folder of a seed, or a tree of cells", true);
  command.option("THEIRS", arguments->theirs, "what to compare it with, of the same kind", true);
  command.flag("--every-cycle", arguments->every_cycle, "print the accuracies of every cycle");
  command.action([arguments] { return compare(*arguments); });
}

}  // namespace quarry::cli

// SPDX-License-Identifier: MIT
// Writes planted copies of kernel sources and the table of their mutants.
// usage: generate ROOT OUT PER_FILE FILE...
// FILE is relative to ROOT; its copy is OUT/FILE (a .cu gets .cpp behind it, a header keeps its name so that an include
// path finds the copy first). OUT/mutants.tsv lists every mutant, also those that the sample left out (number 0).
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "tests/simt/mutants/mutant.h"
#include "tests/simt/mutants/table.h"

namespace {

namespace fs = std::filesystem;
using namespace quarry::mutants;

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// A file that did not change keeps its time, so that nothing is compiled again.
void write_file(const fs::path& path, const std::string& text) {
  if (fs::exists(path) && read_file(path) == text) return;
  fs::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  out << text;
  if (!out.flush()) throw std::runtime_error("cannot write " + path.string());
}

/// Appends the file's rows; returns the next free number.
int plant_file(const fs::path& root, const fs::path& out, const std::string& file, std::size_t most, int next,
               std::vector<Row>& rows) {
  const Code code(read_file(root / file));
  const std::vector<Mutant> all = find_mutants(code);
  const std::vector<std::size_t> chosen = sample_mutants(all, most);
  const bool kernel = fs::path(file).extension() == ".cu";
  write_file(out / (kernel ? file + ".cpp" : file),
             "#include \"tests/simt/mutants/schemata.h\"\n#line 1 \"" + file + "\"\n" + plant(code, all, chosen, next));
  std::size_t k = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool taken = k < chosen.size() && chosen[k] == i;
    rows.push_back(
        {taken ? next + static_cast<int>(k) : 0, file, all[i].line, all[i].function, all[i].fault, all[i].change});
    k += taken;
  }
  return next + static_cast<int>(chosen.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::cerr << "usage: generate ROOT OUT PER_FILE FILE...\n";
    return 2;
  }
  std::string file;
  try {
    const fs::path root = argv[1], out = argv[2];
    std::vector<Row> rows;
    int next = 1;
    for (int i = 4; i < argc; ++i) {
      file = argv[i];
      next = plant_file(root, out, file, static_cast<std::size_t>(std::atoi(argv[3])), next, rows);
    }
    write_file(out / "mutants.tsv", table_text(rows));
  } catch (const std::exception& failure) {
    std::cerr << file << ": " << failure.what() << '\n';
    return 1;
  }
}

// SPDX-License-Identifier: MIT
// docs/formats.md names every field that is written, and no test of the words can pass on an empty file.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "quarry/study/journal.h"
#include "quarry/study/results.h"
#include "quarry/study/runner.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

void collect_keys(const Json& value, std::set<std::string>& keys) {
  if (value.type() == Json::Type::object) {
    for (const auto& [key, member] : value.members()) {
      keys.insert(key);
      if (key != "parameters") collect_keys(member, keys);  // the space's own names
    }
  } else if (value.type() == Json::Type::array) {
    for (const Json& item : value.items()) collect_keys(item, keys);
  }
}

TEST(Formats, TheDocumentNamesEveryFieldThatIsWritten) {
  const test::TempDir out;
  const StudyConfig study = parse_study(
      "study = \"formats\"\n[acquisition]\nbudget = 1\n[pool]\nn_initial = 8\n[training]\nepochs = 1\n"
      "[search]\nmode = \"constant_initial\"\ntrials = 1\n",
      "formats.toml", {});
  RunOptions options;
  options.out = out.path();
  options.progress = ProgressMode::quiet;
  run_study(posix_file_system(), study, options);

  const std::string document = test::slurp(QUARRY_SOURCE_DIR "/docs/formats.md");
  const std::string path = out.path() + "/formats/runs/" + study.runs[0].id + "/journal.jsonl";
  std::set<std::string> names;
  for (const Json& record : parse_journal(test::slurp(path), path).records) collect_keys(record, names);
  EXPECT_GE(names.size(), 35u);
  const std::string csv = test::slurp(out.path() + "/formats/results.csv");
  std::string header = csv.substr(0, csv.find('\n')) + ",";
  for (std::size_t comma; (comma = header.find(',')) != std::string::npos; header.erase(0, comma + 1))
    names.insert(header.substr(0, comma));
  EXPECT_GE(names.size(), 55u);
  for (const std::string& name : names)
    EXPECT_NE(document.find("`" + name + "`"), std::string::npos)
        << "docs/formats.md does not mention `" << name << "`";
}

}  // namespace
}  // namespace quarry

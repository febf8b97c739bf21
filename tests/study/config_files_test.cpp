// SPDX-License-Identifier: MIT
// The files of the repository that the config's table stands behind: docs/config.md and configs/.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "quarry/core/file_system.h"
#include "quarry/study/config.h"

namespace quarry {
namespace {

const std::string kSource = QUARRY_SOURCE_DIR;

TEST(ConfigFiles, TheReferenceIsCurrent) {
  const std::string path = kSource + "/docs/config.md";
  if (std::getenv("QUARRY_UPDATE_DOCS")) {
    std::filesystem::create_directories(kSource + "/docs");
    std::ofstream(path) << config_reference();
  }
  EXPECT_EQ(read_file(path), config_reference())
      << "docs/config.md is out of date. Write it anew with\n"
         "  QUARRY_UPDATE_DOCS=1 ctest --test-dir build/release -R ConfigFiles.TheReferenceIsCurrent";
}

TEST(ConfigFiles, TheReferenceHasEveryKey) {
  const std::string text = config_reference();
  for (const ConfigKey& key : config_keys())
    EXPECT_THAT(text, testing::HasSubstr("\n| `" + std::string(key.name) + "` | " + std::string(key.type) + " | "));
}

TEST(ConfigFiles, ThePageOfQuirksNamesEveryIdAndOnlyKeysThatThereAre) {
  const std::string text = read_file(kSource + "/docs/online_tuning.md");
  for (int id = 1; id <= 28; ++id) {
    const std::string name = "B" + std::to_string(id);
    EXPECT_TRUE(std::regex_search(text, std::regex("\\| ([B0-9, ]*, )?" + name + "[ ,]"))) << name;
  }
  std::set<std::string> keys, sections;
  for (const ConfigKey& key : config_keys()) {
    keys.insert(std::string(key.section) + "." + std::string(key.name));
    sections.insert(std::string(key.section));
  }
  std::size_t found = 0;
  const std::regex name("`([a-z]+)\\.([a-z_]+)[`= ]");
  for (std::sregex_iterator m(text.begin(), text.end(), name), end; m != end; ++m) {
    if (!sections.contains((*m)[1])) continue;  // a file
    EXPECT_TRUE(keys.contains((*m)[1].str() + "." + (*m)[2].str())) << m->str();
    ++found;
  }
  EXPECT_GE(found, 35u);
}

std::vector<std::string> config_files() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kSource + "/configs"))
    if (entry.path().extension() == ".toml") files.push_back(std::filesystem::relative(entry.path(), kSource).string());
  std::sort(files.begin(), files.end());
  return files;
}

TEST(ConfigFiles, EveryReadyStudyParses) {
  const std::vector<std::string> files = config_files();
  EXPECT_GE(files.size(), 9u);
  for (const std::string& file : files) {
    SCOPED_TRACE(file);
    const StudyConfig study = load_study(kSource + "/" + file, {});
    EXPECT_GE(study.runs.size(), 2u);
    // A study is named after its file, so that studies do not share a directory by accident.
    EXPECT_THAT(study.study, testing::HasSubstr(std::filesystem::path(file).stem().string()));
  }
}

TEST(ConfigFiles, NoTwoReadyStudiesShareAName) {
  std::vector<std::string> names;
  for (const std::string& file : config_files()) names.push_back(load_study(kSource + "/" + file, {}).study);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

TEST(ConfigFiles, TheOnlineTuningStudyHasThePublishedBudgets) {
  const std::pair<const char*, int> budgets[] = {{"moons", 160},  {"adversarial_moons", 200},
                                                 {"blobs", 160},  {"diverging_sine", 200},
                                                 {"splice", 260}, {"dna", 200}};
  for (const auto& [name, budget] : budgets) {
    SCOPED_TRACE(name);
    const StudyConfig study = load_study(kSource + "/configs/online_tuning/" + name + ".toml", {});
    EXPECT_EQ(study.preset, "faithful");
    EXPECT_EQ(study.runs.size(), 4u * 4 * 10);
    for (const StudyRun& run : study.runs) {
      EXPECT_EQ(run.config.data.name, name);
      EXPECT_EQ(run.config.budget, budget);
      EXPECT_EQ(run.config.size, 1);
      EXPECT_EQ(run.config.n_initial, 20);
      EXPECT_EQ(run.config.val_share, 0.25);
      EXPECT_EQ(run.config.trials, 50);
      EXPECT_EQ(run.config.loss, Loss::ce_on_probs);
    }
  }
}

}  // namespace
}  // namespace quarry

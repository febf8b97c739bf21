// SPDX-License-Identifier: MIT
// What a config says when it is wrong: place, what was expected, what was meant.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>

#include "quarry/core/error.h"
#include "quarry/study/config.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::string message_of(std::string_view toml, const std::vector<std::string>& overrides = {}) {
  try {
    parse_study(toml, "s.toml", overrides);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
  return "accepted";
}

struct Case {
  const char* name;
  const char* toml;
  const char* start;   ///< how the message begins
  const char* within;  ///< what it also holds
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.name;
}

class ConfigErrors : public testing::TestWithParam<Case> {};

TEST_P(ConfigErrors, NamePlaceAndExpectation) {
  EXPECT_THAT(message_of(GetParam().toml), AllOf(StartsWith(GetParam().start), HasSubstr(GetParam().within)));
}

const Case kCases[] = {
    {"UnknownSection", "[acquisitions]\nbudget = 3\n", "s.toml:1:2: ", "Did you mean 'acquisition'?"},
    {"TogetherUnknown", "together = \"model.lr, model.lrr\"\n", "s.toml:1:1: together: ", "no key 'model.lrr'"},
    {"TogetherAlone", "together = \"model.lr\"\n", "s.toml:1:1: together: ", "two keys or more"},
    {"TogetherTwice", "together = \"model.lr, model.lr\"\n", "s.toml:1:1: together: ", "named twice"},
    {"TogetherUneven",
     "together = \"model.lr, model.weight_decay\"\n[model]\nlr = [0.1, 0.2]\nweight_decay = [0.1, 0.2, 0.3]\n",
     "s.toml:1:1: together: ", "model.lr has 2 values and model.weight_decay has 3"},
    {"TogetherRepeated",
     "together = \"model.lr, model.weight_decay\"\n[model]\nlr = [0.1, 0.1]\nweight_decay = [0.2, 0.2]\n",
     "s.toml:3:6: ", "runs would repeat"},
    {"ResidualWithoutImages", "[model]\nnetwork = \"resnet8\"\n", "s.toml:2:1: ", "needs a set of images"},
    {"ResidualKeyOfPerceptron", "[training]\naugment = true\n", "s.toml:2:1: ", "for residual networks"},
    {"FrozenSetOfPerceptron", "[search]\nmode = \"frozen_set\"\n", "s.toml:2:1: ", "for residual networks"},
    {"SamplerOfPerceptronPerCell", "[search]\nsampler_seed = \"per_cell\"\n", "s.toml:2:1: ", "frozen_set"},
    {"ResidualWithAdam",
     "preset = \"hyperparameter_study\"\n[data]\nname = \"cifar10\"\n[training]\noptimizer = \"adam\"\n",
     "s.toml:5:1: ", "for perceptrons"},
    {"ResidualTuned",
     "preset = \"hyperparameter_study\"\n[data]\nname = \"cifar10\"\n[search]\nmode = "
     "\"online_static\"\n[pool]\nval_share = 0.5\n",
     "s.toml:5:1: ", "fixed and frozen_set"},
    {"FrozenSetWithoutLabels",
     "preset = \"hyperparameter_study\"\n[data]\nname = \"cifar10\"\n[search]\nmode = \"frozen_set\"\n",
     "s.toml:5:1: ", "needs pool.acquired"},
    {"FirstPointOutside",
     "preset = \"hyperparameter_study\"\n[data]\nname = \"cifar10\"\n[pool]\nacquired = \"x\"\nacquired_labels = 20\n"
     "[model]\nlr = 0.5\n[search]\nmode = \"frozen_set\"\n",
     "s.toml:8:1: ", "outside the search space"},
    {"TestedNever",
     "preset = \"hyperparameter_study\"\n[data]\nname = \"cifar10\"\n[acquisition]\ntested = [2000, 2050]\n",
     "s.toml:5:1: ", "never has 2050 labels"},
    {"NoEpochAfterWarmUp", "preset = \"hyperparameter_study\"\n[data]\nname = \"cifar10\"\n[training]\nepochs = 10\n",
     "s.toml:5:1: ", "leaves nothing"},
    {"HalvingOfPerceptrons", "[search]\npruner = \"asha\"\n", "s.toml:2:1: ", "for search.mode"},
    {"UnknownEmptySection", "\n[serach]\n", "s.toml:2:2: ", "Did you mean 'search'?"},
    {"UnknownKey", "[acquisition]\nstratgy = \"random\"\n", "s.toml:2:1: ", "Did you mean 'strategy'?"},
    {"KeyOfAnotherSection", "[model]\nbudget = 3\n", "s.toml:2:1: ", "Did you mean acquisition.budget?"},
    {"KeyAtTheTop", "seed = 3\n", "s.toml:1:1: ", "Did you mean run.seed?"},
    {"SectionAsValue", "run = 3\n", "s.toml:1:1: ", "write [run]"},
    {"UnknownKeyFarFromAll", "[run]\nzzzzzzzz = 3\n", "s.toml:2:1: ", "unknown key 'zzzzzzzz' in [run]."},
    {"StringForInteger", "[acquisition]\nbudget = \"many\"\n", "s.toml:2:10: ", "got the string 'many'"},
    {"RealForInteger", "[acquisition]\nbudget = 2.5\n", "s.toml:2:10: ", "expected an integer"},
    {"BooleanForReal", "[model]\nlr = true\n", "s.toml:2:6: ", "expected a number, above 0"},
    {"IntegerForBoolean", "[training]\ndrop_last = 1\n", "s.toml:2:13: ", "expected true or false"},
    {"IntegerForChoice", "[run]\nrng = 1\n", "s.toml:2:7: ", "expected one of philox, numpy"},
    {"UnknownChoice", "[run]\nrng = \"nunpy\"\n", "s.toml:2:7: ", "Did you mean 'numpy'?"},
    {"IntegerForString", "[data]\npath = 0\n", "s.toml:2:8: ", "expected a string"},
    {"DateForString", "[data]\nlabel = 2020-01-01\n", "s.toml:2:9: ", "date"},
    {"TableForValue", "[model]\nlr = {a = 1}\n", "s.toml:2:6: ", "table in braces"},
    {"ArrayOfTables", "[[run]]\nseed = 1\n", "s.toml:1:3: ", "write [run] once"},
    {"IntegerForWidths", "[model]\nhidden = 48\n", "s.toml:2:10: ", "expected a list of integers"},
    {"StringInWidths", "[model]\nhidden = [48, \"x\"]\n", "s.toml:2:10: ", "expected a list of integers"},
    {"MixedWidths", "[model]\nhidden = [[48], 48]\n", "s.toml:2:17: ", "expected a list of integers"},
    {"ZeroWidth", "[model]\nhidden = [0]\n", "s.toml:2:10: ", "1 to 65536"},
    {"BelowRange", "[acquisition]\nbudget = -1\n", "s.toml:2:10: ", "0 to 2147483647"},
    {"AboveRange", "[acquisition]\nbudget = 99999999999\n", "s.toml:2:10: ", "0 to 2147483647"},
    {"OpenBound", "[model]\ndropout = 1\n", "s.toml:2:11: ", "from 0 to below 1"},
    {"OpenLowBound", "[model]\nlr = 0\n", "s.toml:2:6: ", "above 0"},
    {"Infinity", "[model]\nlr = inf\n", "s.toml:2:6: ", "expected a number"},
    {"NaN", "[model]\nlr = nan\n", "s.toml:2:6: ", "expected a number"},
    {"NoiseWord", "[data]\nnoise = \"big\"\n", "s.toml:2:9: ", "\"default\" or 0 to 100"},
    {"UnknownStrategy", "[acquisition]\nstrategy = \"entropie\"\n", "s.toml:2:12: ", "Did you mean 'entropy'?"},
    {"UnknownStrategyInList", "[acquisition]\nstrategy = [\"random\", \"blad\"]\n",
     "s.toml:2:23: ", "Did you mean 'bald'?"},
    {"UnknownData", "[data]\nname = \"moon\"\n", "s.toml:2:8: ", "Did you mean 'moons'?"},
    {"UnknownSampler", "[search]\nsampler = \"tpee\"\n", "s.toml:2:11: ", "Did you mean 'tpe'?"},
    {"UnknownPruner", "[search]\npruner = \"medain\"\n", "s.toml:2:10: ", "Did you mean 'median'?"},
    {"EmptyList", "[run]\nseed = []\n", "s.toml:2:8: ", "an empty list"},
    {"Repeat", "[model]\nlr = [0.1, 0.2, 1e-1]\n", "s.toml:2:6: ", "0.1 is in the list twice"},
    {"RepeatAsInteger", "[model]\nmomentum = [0, 0.0]\n", "s.toml:2:12: ", "twice"},
    {"ListOfLists", "[run]\nseed = [[1]]\n", "s.toml:2:9: ", "expected an integer"},
    {"ListForStudy", "study = [\"a\", \"b\"]\n", "s.toml:1:9: ", "one value per study"},
    {"PathAsStudy", "study = \"../up\"\n", "s.toml:1:9: ", "it becomes a directory"},
    {"EmptyStudy", "study = \"\"\n", "s.toml:1:9: ", "it becomes a directory"},
    {"LongStudy", "study = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n",
     "s.toml:1:9: ", "64"},
    {"BadSeedRange", "[run]\nseed = \"0...3\"\n", "s.toml:2:8: ", "\"a..b\""},
    {"EmptySeedRange", "[run]\nseed = \"3..1\"\n", "s.toml:2:8: ", "is empty"},
    {"HugeSeedRange", "[run]\nseed = \"0..4294967295\"\n", "s.toml:2:8: ", "more than 1000000"},
    {"NegativeSeed", "[run]\nseed = -1\n", "s.toml:2:8: ", "0 to 4294967295"},
    {"ControlInString", "[data]\npath = \"a\\u0000b\"\n", "s.toml:2:8: ", "control characters"},
    // grid
    {"TooManyRuns",
     "[run]\nseed = \"0..9999\"\n[training]\nepochs = [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,"
     "19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,"
     "56,"
     "57,58,59,60,61,62,63,64,65,66,67,68,69,70,71,72,73,74,75,76,77,78,79,80,81,82,83,84,85,86,87,88,89,90,91,92,93,"
     "94,"
     "95,96,97,98,99,100,101]\n",
     "s.toml: ", "more than 1000000 runs (values per key: training.epochs 101, run.seed"},
    // contradictions
    {"FileWithoutPath", "[data]\nname = \"file\"\n", "s.toml:2:1: ", "needs data.path"},
    {"LabelWithLibsvm", "[data]\nname = \"file\"\npath = \"x\"\nformat = \"libsvm\"\nlabel = \"y\"\n",
     "s.toml:5:1: ", "no meaning for LIBSVM"},
    {"LabelWithNpy", "[data]\nname = \"file\"\npath = \"x\"\nformat = \"npy\"\nlabel = \"y\"\n",
     "s.toml:5:1: ", "use data.labels_path"},
    {"NpyWithoutLabels", "[data]\nname = \"file\"\npath = \"x\"\nformat = \"npy\"\n",
     "s.toml:4:1: ", "need data.labels_path"},
    {"LabelsWithCsv", "[data]\nname = \"file\"\npath = \"x\"\nformat = \"csv\"\nlabels_path = \"y\"\n",
     "s.toml:5:1: ", "hold their labels"},
    {"TestLabelsWithoutTest",
     "[data]\nname = \"file\"\npath = \"x\"\nformat = \"npy\"\nlabels_path = \"y\"\ntest_labels_path = \"z\"\n",
     "s.toml:6:1: ", "needs data.test_path"},
    {"TestWithoutTestLabels",
     "[data]\nname = \"file\"\npath = \"x\"\nformat = \"idx\"\nlabels_path = \"y\"\ntest_path = \"z\"\n",
     "s.toml:6:1: ", "needs data.test_labels_path"},
    {"ShareWithTestPath", "[data]\nname = \"file\"\npath = \"x\"\ntest_path = \"y\"\ntest_share = 0.3\n",
     "s.toml:5:1: ", "no meaning beside data.test_path"},
    {"LabelOfNamedSet", "[data]\nlabel = \"y\"\n", "s.toml:2:1: ", "is for data.name = \"file\""},
    {"NoInitial", "[pool]\nn_initial = 0\n", "s.toml:2:1: ", "-1 (all) or at least 1"},
    {"NothingToTrainOn", "[pool]\nn_initial = 1\n", "s.toml:2:1: ", "none to train on"},
    {"NothingToTrainOnByShare", "[pool]\nval_share = 0.96\n", "s.toml:2:1: ", "none to train on"},
    {"SearchWithoutValidation", "[pool]\nval_share = 0\n[search]\nmode = \"constant_initial\"\n",
     "s.toml:2:1: ", "must be above 0"},
    {"SearchOfAllWithoutValidation", "[pool]\nn_initial = -1\nval_share = 0\n[search]\nmode = \"online_static\"\n",
     "s.toml:3:1: ", "must be above 0"},
    {"BudgetBelowSize", "[acquisition]\nbudget = 5\nsize = 6\n", "s.toml:3:1: ", "more than acquisition.budget = 5"},
    {"CandidatesBelowSize", "[acquisition]\nsize = 6\ncandidates = 5\n",
     "s.toml:3:1: ", "less than acquisition.size = 6"},
    {"BoundsSwapped", "[search]\nlr_low = 0.3\nlr_high = 0.2\n", "s.toml:3:1: ", "search.lr_low = 0.3 is above"},
    {"BoundAboveDefault", "[search]\nwidth_low = 97\n", "s.toml:2:1: ", "above search.width_high = 96"},
    {"OneFold", "[search]\nmode = \"online_dynamic\"\ncross_validation = \"k_fold\"\nfolds = 1\n",
     "s.toml:4:1: ", "at least 2"},
    {"MoreFoldsThanRows", "[pool]\nn_initial = 5\n[search]\nmode = \"online_dynamic\"\ncross_validation = \"k_fold\"\n",
     "s.toml:2:1: ", "more than pool.n_initial = 5"},
    {"MomentumOfAdam", "[model]\nmomentum = 0.9\n[training]\noptimizer = \"adam\"\n",
     "s.toml:2:1: ", "no meaning with training.optimizer"},
    {"OneBadCellOfTheGrid", "[pool]\nn_initial = [20, 1]\n", "s.toml:2:1: ", "n_initial = 1 "},
    // syntax
    {"Syntax", "[run]\nseed 3\n", "s.toml:2:", "key"},
    {"NoValue", "[run]\nseed =\n", "s.toml:2:", ""},
    {"TwiceTheKey", "[run]\nseed = 1\nseed = 2\n", "s.toml:3:", "redefin"},
    {"TwiceTheSection", "[run]\nseed = 1\n[data]\n[run]\n", "s.toml:4:", "redefin"},
    {"OpenSection", "[run\nseed = 1\n", "s.toml:1:", ""},
    {"OpenString", "[data]\nname = \"moons\n", "s.toml:2:14: ", "no end"},
    {"OpenStringAtTheEnd", "[data]\nname = 'moons", "s.toml:2:14: ", "no end"},
    {"HugeInteger", "[run]\nseed = 99999999999999999999\n", "s.toml:2:", ""},
    {"MultiLine", "[data]\nname = \"\"\"moons\"\"\"\n", "s.toml:2:8: ", "multi-line"},
    {"NotAscii", "[data]\nn\xc3\xa4me = \"moons\"\n", "s.toml:2:2: ", "beyond ASCII"},
    {"NotAsciiAfterAnError", "[data]\nname = 0[\"\xc3\xa4\"]\n", "s.toml:2:9: ", "in the middle of a word"},
    {"NotAsciiAfterTwoEquals", "[data]\nname = 0=[\"\xc3\xa4\"]\n", "s.toml:2:9: ", "a second '='"},
    {"GluedString", "[data]\nname = 0\"\xc3\xa4\"\n", "s.toml:2:9: ", "in the middle of a value"},
    {"QuotedKey", "[data]\n\"name\" = \"moons\"\n", "s.toml:2:1: ", "need none"},
    {"StrangeCharacter", "[data]\nname = m@ons\n", "s.toml:2:9: ", "needs quotes"},
    {"NotUtf8", "[data]\nname = \"\xff\"\n", "s.toml:2:9: ", "not UTF-8"},
    {"Overlong", "# \xc0\x80\n", "s.toml:1:3: ", "not UTF-8"},
    {"Surrogate", "# \xed\xa0\x80\n", "s.toml:1:3: ", "not UTF-8"},
    {"CutCharacter", "# \xe2\x82", "s.toml:1:3: ", "not UTF-8"},
    {"ControlCharacter", "[run]\n\x01seed = 1\n", "s.toml:2:1: ", "control character"},
    {"LoneCarriageReturn", "[run]\rseed = 1\n", "s.toml:1:6: ", "carriage return"},
    {"DeepList", "[run]\nseed = [[[[[[[[[[1]]]]]]]]]]\n", "s.toml:2:16: ", "nested more than 8 deep"},
    {"DeepKey", "a.b.c.d.e.f.g.h.i.j.k = 1\n", "s.toml:1:18: ", "more than 8 dots"},
};

INSTANTIATE_TEST_SUITE_P(Table, ConfigErrors, testing::ValuesIn(kCases),
                         [](const auto& c) { return std::string(c.param.name); });

TEST(ConfigErrors, AListOfAKeyThatNoRunReadsIsRefused) {
  struct Unread {
    std::string key, list, alone, reader;  ///< `reader`: of the study beside it, in which a run reads the key
  };
  const test::TempDir folder;
  const std::string path = folder.write("s.toml", "");
  const auto error_of = [&](const std::vector<std::string>& options) -> std::string {
    EXPECT_EQ(message_of("", options), "accepted");  // results that have such a list can still be read
    try {
      load_study(path, options);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return error.what();
    }
    return "accepted";
  };
  const std::string tuned = "search.mode=constant_initial", whole = "search.mode=constant_whole";
  const std::vector<Unread> cases = {
      {"model.lr", "[0.1, 0.2]", tuned, "search.mode=fixed"},
      {"model.weight_decay", "[0.1, 0.2]", tuned, "search.mode=fixed"},
      {"model.hidden", "[[4], [5]]", tuned, "search.mode=fixed"},
      {"model.dropout", "[0.1, 0.2]", tuned, "search.tune_dropout=false"},
      {"search.trials", "[10, 20]", "search.mode=fixed", tuned},
      {"search.trials", "[10, 20]", "search.mode=fixed", "acquisition.strategy=keychain"},
      {"search.width_high", "[10, 20]", "search.mode=fixed", tuned},
      {"search.folds", "[3, 4]", tuned, "search.mode=online_dynamic"},
      {"search.whole_folds", "[3, 4]", tuned, whole},
      {"search.whole_val_share", "[0.3, 0.4]", tuned, whole},
      {"search.cache_last_trial", "[true, false]", "search.mode=online_static", tuned},
      {"acquisition.mc_passes", "[10, 20]", "acquisition.strategy=entropy", "acquisition.strategy=bald"},
      {"acquisition.bald_clamp", "[true, false]", "acquisition.strategy=entropy", "acquisition.strategy=bald"},
      {"acquisition.log_epsilon", "[true, false]", "acquisition.strategy=margin", "acquisition.strategy=entropy"},
      {"acquisition.random_rng", "[independent, reseeded]", "acquisition.strategy=margin",
       "acquisition.strategy=random"},
      {"acquisition.coreset_layer", "[penultimate, logits]", "acquisition.strategy=bald", "acquisition.strategy=badge"},
      {"acquisition.keychain_trials", "[3, 4]", "acquisition.strategy=bald", "acquisition.strategy=keychain_naive"},
      {"training.patience", "[3, 4]", "training.early_stopping=none", "training.early_stopping=patience"},
      {"training.stopping_warmup", "[3, 4]", "training.early_stopping=none", "training.early_stopping=patience"}};
  for (const Unread& c : cases) {
    const std::string axis = c.key + "=" + c.list;
    EXPECT_THAT(
        error_of({c.alone, axis}),
        AllOf(HasSubstr("--set " + axis), HasSubstr(c.key + ": a list of 2 values, but no run"), HasSubstr("read ")))
        << c.alone;
    std::vector<std::string> read = {c.alone, c.reader, axis};
    if (c.alone.substr(0, c.alone.find('=')) == c.reader.substr(0, c.reader.find('='))) {  // both beside each other
      const std::size_t equals = c.alone.find('=');
      read = {c.alone.substr(0, equals) + "=[" + c.alone.substr(equals + 1) + ", " +
                  c.reader.substr(c.reader.find('=') + 1) + "]",
              axis};
    }
    EXPECT_EQ(error_of(read), "accepted") << axis << " with " << c.reader;
    const std::string one = c.list.substr(1, c.list.find(c.list[1] == '[' ? "], " : ", ") - (c.list[1] == '[' ? 0 : 1));
    EXPECT_EQ(error_of({c.alone, c.key + "=" + one}), "accepted") << one;
  }
}

TEST(ConfigErrors, KeysOfASearchThatDoesNotRunGetANote) {
  const auto notes = [](std::vector<std::string> options) { return parse_study("", "s.toml", options).notes; };
  EXPECT_THAT(notes({"search.trials=7", "search.lr_low=0.01"}),
              testing::ElementsAre(AllOf(HasSubstr("no search runs"), HasSubstr("search.trials, search.lr_low"))));
  EXPECT_THAT(notes({"search.trials=7", "search.mode=constant_initial"}), testing::IsEmpty());
  EXPECT_THAT(notes({"search.trials=7", "acquisition.strategy=keychain"}), testing::IsEmpty());
  EXPECT_THAT(notes({"search.mode=fixed"}), testing::IsEmpty());
  EXPECT_THAT(notes({"preset=seed", "search.pruner_warmup=0.6"}), testing::IsEmpty());  // as the preset has it
  EXPECT_THAT(parse_study(parse_study("", "s.toml", {}).resolved, "s.toml", {}).notes, testing::IsEmpty());
}

TEST(ConfigErrors, TheNumberOfTheLabelsColumnNeedsNoQuotes) {
  const auto label = [](const std::string& value) {
    return parse_study("[data]\nname = \"file\"\npath = \"x.csv\"\nlabel = " + value + "\n", "s.toml", {})
        .runs.front()
        .config.data.label;
  };
  EXPECT_EQ(label("3"), "3");
  EXPECT_EQ(label("\"3\""), "3");
  EXPECT_THAT(
      parse_study("", "s.toml", std::vector<std::string>{"data.name=file", "data.path=x.csv", "data.label=3"}).resolved,
      HasSubstr("label = \"3\""));
  EXPECT_THAT(message_of("[data]\nlabel = -1\n"), HasSubstr("s.toml:2:9: data.label: expected a string"));
  EXPECT_THAT(message_of("[data]\npath = 3\n"), HasSubstr("data.path: expected a string"));
}

TEST(ConfigErrors, TheHeaderIsACsvFilesAlone) {
  EXPECT_THAT(message_of("", {"data.header=yes"}), HasSubstr("data.header is for data.name = \"file\""));
  EXPECT_THAT(message_of("", {"data.name=file", "data.path=x", "data.format=libsvm", "data.header=no"}),
              HasSubstr("data.header has no meaning for libsvm files"));
  EXPECT_EQ(message_of("", {"data.name=file", "data.path=x.csv", "data.label=0", "data.header=no"}), "accepted");
}

TEST(ConfigErrors, ZeroBytesAreRefused) {
  EXPECT_THAT(message_of(std::string_view("[run]\n\0", 7)), AllOf(StartsWith("s.toml:2:1: "), HasSubstr("control")));
}

TEST(ConfigErrors, HugeTextsAreRefused) {
  EXPECT_THAT(message_of(std::string(2 << 20, '#')), AllOf(StartsWith("s.toml: "), HasSubstr("262144")));
}

TEST(ConfigErrors, OverridesNameTheOption) {
  const struct {
    const char *option, *within;
  } cases[] = {
      {"model.lr", "expected section.key=value"},
      {"=3", "no key"},
      {"model.lr=", "no value"},
      {"model.lr=fast", "expected a number"},
      {"model.lr=[0.1", ""},
      {"model.lr=0.1]", ""},
      {"modle.lr=0.1", "Did you mean 'model'?"},
      {"model.lrr=0.1", "Did you mean 'lr'?"},
      {"lr=0.1", "Did you mean model.lr?"},
      {"acquisition.strategy=[random, entrpy]", "Did you mean 'entropy'?"},
      {"data.name='moons", ""},
      {"data.name={a=1}", ""},
      {"run.seed=1 2", "expected an integer"},
      {"acquisition.size=1000", "more than acquisition.budget = 20"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(message_of("", {c.option}),
                AllOf(StartsWith(std::string("--set ") + c.option + ": "), HasSubstr(c.within)));
  }
}

TEST(ConfigErrors, AnOptionIsOneValue) {
  EXPECT_THAT(message_of("", {"run.seed=1\n[model]\nlr=5"}), HasSubstr("control characters"));
  EXPECT_THAT(message_of("", {"run.seed=1, 2"}), StartsWith("--set run.seed=1, 2: "));
}

TEST(ConfigErrors, BadOverrideDoesNotHideBehindAGoodFile) {
  EXPECT_THAT(message_of("[model]\nlr = 0.1\n", {"model.lr=0"}), StartsWith("--set model.lr=0: model.lr: expected"));
}

TEST(ConfigErrors, MissingFile) {
  EXPECT_THROW(load_study("no/such/file.toml", {}), Error);
}

}  // namespace
}  // namespace quarry

// SPDX-License-Identifier: MIT
// quarry data info NAME|FILE: reads a data set as a study would, and describes it.
// quarry data fetch NAME: downloads a published one. quarry data synthetic NAME: writes a made-up one.
// quarry data import-config FILE: the online-tuning study's own description of one, as a config.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quarry/core/error.h"
#include "quarry/core/file_system.h"
#include "quarry/core/progress.h"
#include "quarry/core/text.h"
#include "quarry/data/data_table.h"
#include "quarry/data/describe.h"
#include "quarry/data/fetch.h"
#include "quarry/data/images.h"
#include "quarry/data/synthetic.h"
#include "quarry/study/dataset_json.h"
#include "src/cli/commands.h"
#include "src/cli/output.h"

namespace quarry::cli {
namespace {

struct InfoArguments {
  std::string name, scaler = "automatic", scaler_fit = "train", header = "auto";
  DataConfig data;
};

template <class Enum>
Enum choice(std::string_view option, const std::string& text,
            std::initializer_list<std::pair<std::string_view, Enum>> values) {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : values) {
    if (name == text) return value;
    names.push_back(name);
  }
  usage_error("{} knows no '{}'.{} It is one of {}.", option, text, suggestion(text, names),
              fmt::join(names.begin(), names.end(), ", "));
}

void info(const InfoArguments& arguments) {
  DataConfig data = arguments.data;
  const auto table = data_table();
  const bool named = std::any_of(table.begin(), table.end(), [&](const DataEntry& entry) {
    return entry.name == arguments.name && entry.name != "file";
  });
  // A name of the table, else a file if it looks like one; anything else is most likely a misspelt name, and
  // load_dataset says which names there are.
  if (!named && arguments.name.find_first_of("./") != std::string::npos) {
    data.name = "file";
    data.path = arguments.name;
  } else {
    data.name = arguments.name;
  }
  data.header = choice<CsvHeader>("--header", arguments.header,
                                  {{"auto", CsvHeader::automatic}, {"yes", CsvHeader::yes}, {"no", CsvHeader::no}});
  data.scaler = choice<Scaler>("--scaler", arguments.scaler,
                               {{"automatic", Scaler::automatic},
                                {"minmax", Scaler::minmax},
                                {"standard", Scaler::standard},
                                {"none", Scaler::none}});
  data.scaler_fit =
      choice<ScalerFit>("--scaler-fit", arguments.scaler_fit, {{"train", ScalerFit::train}, {"test", ScalerFit::test}});
  // Images as bytes take a quarter of the memory; a scaler belongs to features.
  const bool as_images =
      has_images(data.name) && data.scaler == Scaler::automatic && data.scaler_fit == ScalerFit::train;
  put(as_images ? describe_images(load_images(data)) : describe_dataset(load_dataset(data)));
}

void add_info(Command& group) {
  Command command = group.add("info", "Read a data set as a study would, and describe it",
                              "quarry data info fashion_mnist\n"
                              "quarry data info measurements.csv --label species --test-share 0.3");
  auto arguments = std::make_shared<InfoArguments>();
  DataConfig& data = arguments->data;
  command.option("NAME|FILE", arguments->name, "A name that `quarry list datasets` shows, or a file (with . or /)",
                 true);
  command.option("--label", data.label, "CSV: name or number (from 0) of the label column; NPZ: name of the array");
  command.option("--header", arguments->header, "CSV, whether the first line holds names of columns: auto, yes or no");
  command.option("--labels", data.labels_path, "NPY, IDX: file of the labels");
  command.option("--format", data.format, "auto, libsvm, csv, npy, npz or idx");
  command.option("--test", data.test_path, "File of the test part");
  command.option("--test-labels", data.test_labels_path, "NPY, IDX: file of the labels of the test part");
  command.option("--test-share", data.test_share, "Share of the rows held out where there is no test file");
  command.option("--scaler", arguments->scaler, "automatic, minmax, standard or none");
  command.option("--scaler-fit", arguments->scaler_fit, "Part the scaler is fitted on: train or test");
  command.option("--version", data.version,
                 "Sets of the online-tuning study: final, keychain, seed or a date such as july_17");
  command.option("--noise", data.noise, "Generated sets: standard deviation of the noise");
  command.option("--path", data.path, "Named sets: folder of their files");
  command.option("--pool-limit", data.pool_limit, "Use only the first rows of the pool; 0 = all", 0,
                 std::int64_t{1} << 40);
  command.action([arguments] {
    info(*arguments);
    return 0;
  });
}

struct FetchArguments {
  std::string name;
  FetchOptions options;
};

const FetchSource& source_of(const std::string& name) {
  std::vector<std::string_view> names;
  for (const FetchSource& source : fetch_sources()) {
    if (source.name == name) return source;
    names.push_back(source.name);
  }
  usage_error("`quarry data fetch` cannot get '{}'.{} It gets {}; what other sets need, `quarry list datasets` says",
              printable(name), suggestion(name, names), fmt::join(names.begin(), names.end(), ", "));
}

/// The progress of a download in megabytes.
class DownloadMeter {
 public:
  void show(std::uint64_t done, std::uint64_t total) {
    const auto megabytes = static_cast<std::int64_t>(done >> 20);
    if (total < kWorthShowing) return;
    if (!progress_) {
      progress_ = std::make_unique<Progress>(static_cast<std::int64_t>(total >> 20), "MB");
      progress_->skip(megabytes);  // of an earlier call
    } else if (megabytes > shown_) {
      progress_->advance(megabytes - shown_);
    } else {
      return;
    }
    shown_ = megabytes;
  }

 private:
  static constexpr std::uint64_t kWorthShowing = std::uint64_t{4} << 20;
  std::unique_ptr<Progress> progress_;
  std::int64_t shown_ = 0;
};

void fetch(const FetchArguments& arguments) {
  const FetchSource& source = source_of(arguments.name);
  FetchOptions options = arguments.options;
  FetchResult result;
  {
    DownloadMeter meter;
    options.progress = [&](std::uint64_t done, std::uint64_t total) { meter.show(done, total); };
    result = fetch_dataset(source, options);
  }
  print("{}: {}{}\n", source.name, printable(result.folder), result.already_there ? " (was there)" : "");
  if (source.archive.empty()) {
    for (const auto& [name, sum] : result.files) print("  {} sha256:{}\n", name, sum);
    print("  no sums are published for these files: give them with results\n");
    return;
  }
  print("  {} sha256:{}\n", source.archive, result.sha256);
  print("  {}md5:{}{}\n", std::string(source.archive.size() + 1, ' '), result.md5,
        result.published ? ", as published" : ", not the published one: results must say so");
}

void add_fetch(Command& group) {
  Command command = group.add("fetch", "Download a published data set, check and unpack it",
                              "quarry data fetch cifar10\n"
                              "quarry data fetch cifar100 --to data --from https://mirror.example/cifar");
  auto arguments = std::make_shared<FetchArguments>();
  command.option("NAME", arguments->name, "cifar10, cifar100, splice or dna", true);
  command.option("--to", arguments->options.to,
                 "Folder for the data, by default $QUARRY_DATA, else ~/.local/share/quarry; studies look in both");
  command.option("--from", arguments->options.from,
                 "Address of a folder with the archive or files, in place of the published");
  command.option("--checksum", arguments->options.checksum,
                 "md5:HEX, sha256:HEX or none: what the archive must have, in place of the published MD5 sum");
  command.action([arguments] {
    fetch(*arguments);
    return 0;
  });
}

struct SyntheticArguments {
  std::string name, to;
  std::int64_t train = 50'000, test = 10'000;
};

void synthetic(const SyntheticArguments& arguments) {
  const bool ten = arguments.name == "cifar10";
  if (!ten && arguments.name != "cifar100") {
    const std::vector<std::string_view> names = {"cifar10", "cifar100"};
    usage_error("`quarry data synthetic` knows no '{}'.{} It imitates cifar10 and cifar100", printable(arguments.name),
                suggestion(arguments.name, names));
  }
  const std::string folder = write_synthetic_cifar(ten ? CifarKind::cifar10 : CifarKind::cifar100, arguments.to,
                                                   arguments.train, arguments.test);
  print("{}: {} + {} made-up images in the layout of {}; what a study finds on them says nothing of the real set\n",
        printable(folder), arguments.train, arguments.test, arguments.name);
}

void add_synthetic(Command& group) {
  Command command = group.add("synthetic", "Write made-up images in the files of a published set, to try things out",
                              "quarry data synthetic cifar100 --to made_up\n"
                              "quarry data synthetic cifar10 --to made_up --train 2000 --test 500");
  auto arguments = std::make_shared<SyntheticArguments>();
  command.option("NAME", arguments->name, "The set whose layout is used: cifar10 or cifar100", true);
  command.option("--to", arguments->to, "Folder for the set's folder; a config names it as data.path", true);
  command.option("--train", arguments->train, "Training images", 10, 1'000'000);
  command.option("--test", arguments->test, "Test images", 1, 1'000'000);
  command.action([arguments] {
    synthetic(*arguments);
    return 0;
  });
}

void add_import(Command& group) {
  Command command =
      group.add("import-config", "Print a config for a data set that the online-tuning study's own JSON file describes",
                "quarry data import-config conf/moons.json > moons.toml");
  auto path = std::make_shared<std::string>();
  command.option("FILE", *path, "The study's JSON file; its name names the data set", true);
  command.action([path] {
    const ImportedConfig imported = import_dataset_json(read_given_file(*path), *path);
    for (const std::string& note : imported.notes) put_note(note);
    put(imported.toml);
    return 0;
  });
}

}  // namespace

void add_data_command(Command& program) {
  Command group = program.add_group("data", "Look at data sets, and get them", "quarry data info moons");
  add_info(group);
  add_fetch(group);
  add_synthetic(group);
  add_import(group);
}

}  // namespace quarry::cli

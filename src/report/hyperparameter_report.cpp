// SPDX-License-Identifier: MIT
#include "quarry/report/hyperparameter_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "quarry/core/text.h"
#include "quarry/report/study_cells.h"
#include "src/report/facts.h"
#include "src/report/hyperparameter_pictures.h"
#include "src/report/hyperparameter_protocol.h"
#include "src/report/hyperparameter_text.h"
#include "src/report/page.h"

namespace quarry {
namespace {

class Writer {
 public:
  Writer(FileSystem& files, const HyperparameterReportOptions& options)
      : files_(files),
        options_(options),
        out_(report_directory(options.out, options.directories, "report")),
        gnuplot_(files, out_) {}

  HyperparameterReportSummary write() {
    tree_ = read_cells(files_, options_.directories);
    check_one_protocol_per_cell(tree_);
    tables_ = hyperparameter_tables(tree_);
    order_ = qualitative_rows(tables_);
    summary_.out = out_;
    summary_.cells = static_cast<std::int64_t>(tree_.cells.size());
    summary_.notes = tree_.notes;
    const Table otherwise = protocol_table(tree_, false);
    if (!otherwise.rows.empty()) summary_.text += table_text(otherwise) + "\n";
    for (const HyperparameterTable& table : tables_) summary_.text += table_text(shown_table(table)) + "\n";
    if (!order_.empty()) summary_.text += table_text(shown_qualitative(order_)) + "\n";
    files_.make_directories(out_);
    if (options_.csv) {
      files_.make_directories(out_ + "/tables");
      write_file("tables/cells.csv", cells_csv(tables_));
      write_file("tables/seeds.csv", seeds_csv(tree_));
    }
    if (options_.html || options_.markdown) write_pages();
    return summary_;
  }

 private:
  void write_file(const std::string& name, const std::string& text) {
    files_.write_atomically(out_ + "/" + name, text);
    summary_.files.push_back(name);
  }

  void write_pages() {
    Page page;
    page.title = "Role of hyperparameters in deep active learning";
    page.footer = made_by();
    page.sections.push_back({"What was run",
                             {facts(), Paragraph{"Accuracy on the test set, in percent. AL: inside the "
                                                 "active-learning run with the fixed pair. BO: after "
                                                 "searching the pair again on the labelled set that "
                                                 "the run chose. HP1 to HP4 are the pairs (learning "
                                                 "rate, weight decay) (0.001, 0.05), (0.01, 0.0005), "
                                                 "(0.01, 0.05) and (0.1, 0.005)."}}});
    const Table protocol = protocol_table(tree_, true);
    if (!protocol.rows.empty())
      page.sections.back().blocks.emplace_back(protocol);
    else
      page.sections.back().blocks.emplace_back(Paragraph{protocol.note});
    for (const CellDataset& dataset : tree_.datasets) page.sections.push_back(section_of(dataset));
    if (!order_.empty()) page.sections.push_back({"HP3 and HP4", {shown_qualitative(order_)}});
    if (!gnuplot_.available()) summary_.notes.emplace_back(kNoGnuplot);
    if (!summary_.notes.empty()) page.sections.push_back(missing_section(summary_.notes));
    page.sections.push_back(again());
    if (options_.html) write_file("report.html", page_html(page));
    if (options_.markdown) write_file("report.md", page_markdown(page));
  }

  Facts facts() const {
    std::vector<std::string> data, pixels;
    std::set<std::string> strategies;
    std::set<std::int64_t> seeds;
    std::int64_t runs = 0, searches = 0;
    for (const CellDataset& dataset : tree_.datasets) {
      using Origin = CellDataset::Origin;
      data.push_back(dataset_title(dataset));
      pixels.push_back(data.back() + (dataset.origin == Origin::published    ? ": as published"
                                      : dataset.origin == Origin::unverified ? ": not verified"
                                                                             : ": unknown"));
    }
    for (const StudyCell& cell : tree_.cells) {
      strategies.insert(printable(cell.key.strategy));
      seeds.insert(cell.key.seed);
      ++(cell.key.budget > 0 ? searches : runs);
    }
    return {{{"Data", join(data, ", ")},
             {"Pixels", join(pixels, ", ")},
             {"Strategies", join(std::vector<std::string>(strategies.begin(), strategies.end()), ", ")},
             {"Seeds", std::to_string(seeds.size())},
             {"Active-learning runs", std::to_string(runs)},
             {"Searches on frozen sets", std::to_string(searches)}}};
  }

  void keep(Pictures& pictures, Picture picture) {
    if (picture.bytes.empty()) return;
    ++summary_.pictures;
    pictures.pictures.push_back(std::move(picture));
  }

  Section section_of(const CellDataset& dataset) {
    Section section{dataset_heading(dataset, match_of(tree_, dataset)), {}};
    const std::string warning = pixel_warning_with_source(dataset);
    if (!warning.empty()) section.blocks.push_back(Paragraph{warning + "."});
    for (const HyperparameterTable& table : tables_)
      if (table.dataset == dataset.folder) section.blocks.push_back(shown_table(table));
    std::string stem;
    for (char c : dataset.folder.substr(0, 60)) stem += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
    Pictures pictures;
    keep(pictures, draw_pair_curves(gnuplot_, tree_, dataset, options_.every_pair, stem + "_pairs"));
    keep(pictures, draw_pair_grid(gnuplot_, tree_, dataset, stem + "_grid"));
    section.blocks.push_back(pictures);
    return section;
  }

  Section again() const {
    std::string command = "quarry report --study hyperparameter";
    for (const std::string& directory : options_.directories) command += " " + printable(directory);
    return {
        "How to make it again",
        {Commands{command},
         Paragraph{"Beside this page: tables/ has every figure, plots/ has each picture with the gnuplot script and "
                   "the data that draw it. docs/reading_reports.md explains the figures."}}};
  }

  FileSystem& files_;
  const HyperparameterReportOptions& options_;
  std::string out_;
  Gnuplot gnuplot_;
  CellTree tree_;
  std::vector<HyperparameterTable> tables_;
  std::vector<QualitativeRow> order_;
  HyperparameterReportSummary summary_;
};

}  // namespace

HyperparameterReportSummary write_hyperparameter_report(FileSystem& files, const HyperparameterReportOptions& options) {
  return Writer(files, options).write();
}

}  // namespace quarry

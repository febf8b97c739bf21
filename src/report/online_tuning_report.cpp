// SPDX-License-Identifier: MIT
#include "quarry/report/online_tuning_report.h"

#include <fmt/core.h>

#include <cctype>
#include <utility>

#include "quarry/core/json.h"
#include "quarry/core/text.h"
#include "quarry/report/online_tuning_claims.h"
#include "src/report/facts.h"
#include "src/report/page.h"
#include "src/report/pictures.h"
#include "src/report/table.h"

namespace quarry {
namespace {

Table verdict_table(const std::vector<Claim>& claims) {
  Table table{"At a glance", "", {"question", "verdict", "because"}, {}, 3, -1};
  for (const Claim& claim : claims) table.rows.push_back({claim.name, to_string(claim.verdict()), claim.why()});
  return table;
}

Table claim_table(const Claim& claim) {
  Table table{
      "Paired by seed",
      fmt::format("The difference is {}; p of the paired sign-flip test, Holm over the rows. Not supported: the "
                  "other way round, or no room for {} by intervals that hold for all rows together. Rows "
                  "marked (beside) are a family of their own and have no part in the verdict.",
                  claim.measured, kSmallestEffect),
      {"setting", "compared", "verdict", "n", "difference", "95 % interval", "p", "p (Holm)"},
      {},
      3,
      -1};
  for (const ClaimRow& row : claim.rows)
    table.rows.push_back({row.setting, row.compared, to_string(row.verdict) + (row.counts ? "" : " (beside)"),
                          std::to_string(row.difference.n), fmt::format("{:+.3f}", row.difference.mean),
                          interval_text(row.difference), p_text(row.p), p_text(row.p_holm)});
  return table;
}

std::string claims_csv(const std::vector<Claim>& claims) {
  CsvText csv({"question", "setting", "compared", "n", "mean_difference", "sd", "ci95_half_width", "p_sign_flip",
               "p_holm", "verdict", "counts"});
  for (const Claim& claim : claims)
    for (const ClaimRow& row : claim.rows)
      csv.add({claim.name, row.setting, row.compared, std::to_string(row.difference.n),
               fmt::format("{}", row.difference.mean), fmt::format("{}", row.difference.sd),
               fmt::format("{}", row.difference.half_width), fmt::format("{}", row.p), fmt::format("{}", row.p_holm),
               to_string(row.verdict), row.counts ? "1" : "0"});
  return csv.text();
}

class Writer {
 public:
  Writer(FileSystem& files, const OnlineTuningReportOptions& options)
      : files_(files),
        options_(options),
        out_(report_directory(options.out, options.directories, "findings")),
        gnuplot_(files, out_) {}

  OnlineTuningReportSummary write() {
    directories_ = read_study_directories(files_, options_.directories);
    settings_ = combine(directories_);
    summaries_ = summarise(settings_);
    claims_ = online_tuning_claims(summaries_);
    summary_.out = out_;
    summary_.claims = static_cast<std::int64_t>(claims_.size());
    for (const Claim& claim : claims_)
      summary_.text += fmt::format("{} {}: {}\n", claim.name, to_string(claim.verdict()), claim.why());
    if (claims_.empty())
      summary_.notes.emplace_back(
          "no claim of the online-tuning study can be tested on these runs: it takes the mode online_dynamic and a "
          "constant one, honeypots, several model.dropout, or both presets");
    files_.make_directories(out_);
    if (options_.csv) write_file("findings.csv", claims_csv(claims_));
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
    page.title = "Findings: hyperparameters tuned during active learning";
    page.footer = made_by();
    Facts facts = study_facts(directories_, settings_);
    add_environment(facts);
    page.sections.push_back({"What was run", {facts}});
    page.sections.push_back({"Verdicts", {verdict_table(claims_)}});
    for (const Claim& claim : claims_)
      page.sections.push_back({claim.name, {Paragraph{"Claim: " + claim.says}, claim_table(claim)}});
    page.sections.push_back(curves());
    if (!gnuplot_.available()) summary_.notes.emplace_back(kNoGnuplot);
    if (!summary_.notes.empty()) page.sections.push_back(missing_section(summary_.notes));
    page.sections.push_back(again());
    if (options_.html) write_file("findings.html", page_html(page));
    if (options_.markdown) write_file("findings.md", page_markdown(page));
  }

  /// Where the studies ran and with which commit, as far as their directories say.
  void add_environment(Facts& facts) const {
    std::vector<std::string> machines, commits;
    for (const StudyDirectory& directory : directories_) {
      const std::string path = directory.path + "/environment.json";
      if (!files_.exists(path)) continue;
      const Json record = Json::parse(files_.read(path), path);
      const Json *gpu = record.find("gpu"), *cpu = record.find("cpu"), *commit = record.find("commit");
      const Json* machine = gpu != nullptr ? gpu : cpu;
      if (machine != nullptr && machine->type() == Json::Type::string) add_once(machines, machine->string());
      if (commit != nullptr && commit->type() == Json::Type::string) add_once(commits, commit->string());
    }
    if (!machines.empty()) facts.items.push_back({"Machine", join(machines, ", ")});
    if (!commits.empty()) facts.items.push_back({"Commit", join(commits, ", ")});
  }

  Section curves() {
    Section section{"Learning curves", {}};
    Pictures pictures;
    int number = 0;
    for (const SettingSummary& summary : summaries_)
      for (const std::string& mode : summary.setting->modes) {
        std::string name = fmt::format("{:03}_", ++number);
        for (char c : summary.setting->dataset + "_" + summary.setting->preset + "_" + mode)
          name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
        Picture picture = draw_learning_curves(gnuplot_, summary, mode, Metric::accuracy, name);
        if (picture.bytes.empty()) continue;
        picture.caption += ", preset " + summary.setting->preset;
        ++summary_.pictures;
        pictures.pictures.push_back(std::move(picture));
      }
    section.blocks.push_back(pictures);
    return section;
  }

  Section again() const {
    std::string commands, places;
    for (const StudyDirectory& directory : directories_) {
      commands += fmt::format("quarry run {}/config.toml\n", printable(directory.path));
      places += " " + printable(directory.path);
    }
    return {"How to make it again",
            {Commands{commands + "quarry report --study online_tuning" + places},
             Paragraph{"Each study's directory holds its whole config; the same config gives the same results, byte "
                       "for byte. findings.csv has every figure, plots/ each picture with the gnuplot script and the "
                       "data that draw it. docs/reading_reports.md explains the tests."}}};
  }

  FileSystem& files_;
  const OnlineTuningReportOptions& options_;
  std::string out_;
  Gnuplot gnuplot_;
  std::vector<StudyDirectory> directories_;
  std::vector<Setting> settings_;
  std::vector<SettingSummary> summaries_;
  std::vector<Claim> claims_;
  OnlineTuningReportSummary summary_;
};

}  // namespace

OnlineTuningReportSummary write_online_tuning_report(FileSystem& files, const OnlineTuningReportOptions& options) {
  return Writer(files, options).write();
}

}  // namespace quarry

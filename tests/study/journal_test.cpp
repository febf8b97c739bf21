// SPDX-License-Identifier: MIT
#include "quarry/study/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <functional>

#include "quarry/core/error.h"
#include "quarry/core/rng.h"
#include "tests/fuzz/journal_body.h"
#include "tests/support/corpus.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temp_dir.h"

namespace quarry {
namespace {

using test::FaultyFileSystem;
using test::ProcessEnded;
using testing::AllOf;
using testing::HasSubstr;

#if defined(QUARRY_UNDER_ASAN) || defined(QUARRY_UNDER_TSAN)
constexpr bool kSlowBuild = true;
#else
constexpr bool kSlowBuild = false;
#endif

constexpr const char* kPath = "/run/journal.jsonl";

/// Records of different lengths; some hold what a journal line is made of.
Json record(std::int64_t i) {
  Json json = Json::object();
  json.set("n", i).set("loss", i % 3 ? 0.1 * static_cast<double>(i) : std::nan(""));
  if (i % 2) json.set("text", "{\"seq\":" + std::to_string(i) + ",\"crc\":\"00000000\"}\n" + std::string(20, 'x'));
  if (i % 4 == 2) json.set("inner", Json::object().set("seq", 7));
  return json;
}

std::string journal_text(std::int64_t n) {
  FaultyFileSystem files;
  files.make_directories("/run");
  Journal journal(files, kPath);
  for (std::int64_t i = 0; i < n; ++i) journal.append(record(i));
  return files.read(kPath);
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string error_of(const std::string& text) {
  return error_of([&] { parse_journal(text, "j"); });
}

/// The records are the first ones of the sequence.
void expect_first_records(const std::vector<Json>& records) {
  for (std::size_t i = 0; i < records.size(); ++i) {
    ASSERT_EQ(records[i].dump(), record(static_cast<std::int64_t>(i)).dump());
  }
}

TEST(Journal, FormatIsAsDocumented) {
  FaultyFileSystem files;
  files.make_directories("/run");
  Journal(files, kPath).append(Json::object().set("loss", 0.5).set("name", "a"));
  const std::string head = R"({"seq":0,"loss":0.5,"name":"a")";
  EXPECT_EQ(crc32_of(head), 0xd936ab1eu);  // by Python's zlib.crc32
  EXPECT_EQ(files.read(kPath), head + ",\"crc\":\"d936ab1e\"}\n");
  EXPECT_EQ(crc32_of("123456789"), 0xcbf43926u);
}

TEST(Journal, ReopensAndGoesOn) {
  FaultyFileSystem files;
  files.make_directories("/run");
  for (int opening = 0; opening < 4; ++opening) {
    Journal journal(files, kPath);
    EXPECT_EQ(journal.records().size(), 3u * static_cast<unsigned>(opening));
    for (int i = 0; i < 3; ++i) journal.append(record(static_cast<std::int64_t>(journal.records().size())));
    EXPECT_FALSE(journal.was_torn());
    expect_first_records(journal.records());
  }
  EXPECT_EQ(files.read(kPath), journal_text(12));
}

TEST(Journal, RefusesRecordsThatItCouldNotReadBack) {
  FaultyFileSystem files;
  files.make_directories("/run");
  Journal journal(files, kPath);
  EXPECT_THAT(error_of([&] { journal.append(Json::object().set("crc", 1)); }), HasSubstr("'crc'"));
  EXPECT_THAT(error_of([&] { journal.append(Json::object().set("seq", 1)); }), HasSubstr("'seq'"));
  EXPECT_THAT(error_of([&] { journal.append(Json::array()); }), HasSubstr("expected an object"));
  journal.append(Json::object());
  EXPECT_EQ(parse_journal(files.read(kPath), kPath).records.size(), 1u);
}

TEST(Journal, EveryCutIsATornTailAndLosesOnlyTheCutRecord) {
  const std::string text = journal_text(6);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    const std::string head = text.substr(0, cut);
    const auto whole = static_cast<std::size_t>(std::count(head.begin(), head.end(), '\n'));
    const std::size_t valid = whole == 0 ? 0 : head.rfind('\n') + 1;
    const JournalContents contents = parse_journal(head, "j");
    ASSERT_EQ(contents.records.size(), whole);
    ASSERT_EQ(contents.valid_bytes, valid);
    ASSERT_EQ(contents.torn_tail, valid != cut);
    expect_first_records(contents.records);

    FaultyFileSystem files;
    files.disk().put(kPath, head);
    Journal journal(files, kPath);
    ASSERT_EQ(journal.was_torn(), valid != cut);
    for (std::size_t i = whole; i < 6; ++i) journal.append(record(static_cast<std::int64_t>(i)));
    ASSERT_EQ(files.read(kPath), text);
  }
}

TEST(Journal, EveryFlippedByteIsDetected) {
  const std::string text = journal_text(4);
  const std::size_t last_line = text.rfind('\n', text.size() - 2) + 1;
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const int flip : {1, 4, 32, 128, text[i] ^ '\n', text[i] ^ '"'}) {
      if (flip == 0) continue;
      std::string damaged = text;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      const std::size_t line =
          1 + static_cast<std::size_t>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(i), '\n'));
      if (i < last_line) {
        ASSERT_THAT(error_of(damaged), testing::StartsWith("j:" + std::to_string(line) + ": ")) << i << " " << flip;
      } else {
        const JournalContents contents = parse_journal(damaged, "j");
        ASSERT_TRUE(contents.torn_tail) << i << " " << flip;
        ASSERT_EQ(contents.valid_bytes, last_line);
        ASSERT_EQ(contents.records.size(), 3u);
      }
    }
  }
}

TEST(Journal, MissingDoubledAndSwappedLinesAreRefused) {
  const std::string text = journal_text(3);
  const std::size_t a = text.find('\n') + 1, b = text.find('\n', a) + 1;
  const std::string first = text.substr(0, a), second = text.substr(a, b - a), third = text.substr(b);
  EXPECT_THAT(error_of(second + third), AllOf(HasSubstr("j:1: "), HasSubstr("missing, doubled")));
  EXPECT_THAT(error_of(first + third), HasSubstr("j:2: expected record 1, found 2"));
  EXPECT_THAT(error_of(first + second + second), HasSubstr("j:3: expected record 2, found 1"));
  EXPECT_THAT(error_of(second + first), HasSubstr("j:1: "));
  EXPECT_THAT(error_of(first + "\n" + second), HasSubstr("j:2: damaged"));
  EXPECT_THAT(error_of(first + "garbage" + second), HasSubstr("j:2: damaged"));
}

TEST(Journal, RightChecksumsDoNotExcuseBadContents) {
  const auto line = [](const std::string& head) {
    return fmt::format("{},\"crc\":\"{:08x}\"}}\n", head, crc32_of(head));
  };
  EXPECT_EQ(error_of(line("{\"seq\":0")), "");
  EXPECT_THAT(error_of(line("{\"seq\":0,\"a\":1,\"a\":2")), AllOf(HasSubstr("j:1: "), HasSubstr("'a' appears twice")));
  EXPECT_THAT(error_of(line("{\"seq\":0,\"a\":[1")), HasSubstr("j:1: byte "));
  EXPECT_THAT(error_of(line("{\"seq\":\"0\"")), HasSubstr("j:1: "));
  EXPECT_THAT(error_of(line("{\"seq\":0,\"a\":\"\xff\"")), HasSubstr("j:1: byte "));
}

TEST(Journal, OpensLargeJournalsInLinearTime) {
  std::string text;
  constexpr int n = kSlowBuild ? 10000 : 100000;
  for (int i = 0; i < n; ++i) {
    const std::string head = fmt::format(
        "{{\"seq\":{},\"iteration\":{},\"idx\":[1,2,3],\"test_loss\":0.{},"
        "\"test_acc\":0.93,\"hidden\":[48,48],\"lr\":0.0123,\"state\":\"complete\"",
        i, i % 20, i + 1);
    text += fmt::format("{},\"crc\":\"{:08x}\"}}\n", head, crc32_of(head));
  }
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(parse_journal(text, "j").records.size(), static_cast<std::size_t>(n));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  RecordProperty("seconds", std::to_string(seconds.count()));
  EXPECT_LT(seconds.count(), 60);  // far above what it takes, also under sanitizers
  // A hostile tail: many false starts of a record.
  std::string tail;
  for (int i = 0; i < 300000; ++i) tail += "{\"seq\":";
  EXPECT_TRUE(parse_journal(tail + "\n" + tail, "j").torn_tail);
}

// ---- crashes ----

/// Brings the journal to `n` records, telling how many were committed.
void extend(FileSystem& files, std::int64_t n, std::int64_t* committed) {
  files.make_directories("/run");
  Journal journal(files, kPath);
  *committed = std::max(*committed, static_cast<std::int64_t>(journal.records().size()));
  while (static_cast<std::int64_t>(journal.records().size()) < n) {
    journal.append(record(static_cast<std::int64_t>(journal.records().size())));
    *committed = static_cast<std::int64_t>(journal.records().size());
  }
}

TEST(JournalCrash, EndsAtEveryCallLoseNothingCommitted) {
  const std::string expected = journal_text(5);
  std::int64_t n = 1;
  for (bool done = false; !done; ++n) {
    FaultyFileSystem files;
    std::int64_t committed = 0;
    files.disk().end_at(n);
    try {
      extend(files, 5, &committed);
      done = true;
    } catch (const ProcessEnded&) {
    }
    files.disk().restart_after_kill();
    if (files.exists(kPath)) {
      ASSERT_GE(static_cast<std::int64_t>(parse_journal(files.read(kPath), kPath).records.size()), committed);
    }
    extend(files, 5, &committed);
    ASSERT_EQ(files.read(kPath), expected) << "ended at call " << n;
  }
  EXPECT_GT(n, 10);
}

/// Power cuts at random calls, again and again, until the journal is complete. False if anything was lost or damaged.
bool survives_power_cuts(std::uint64_t seed, bool forget_to_sync, const std::string& expected) {
  FaultyFileSystem files;
  std::int64_t committed = 0;
  for (std::uint32_t round = 0; round < 50; ++round) {
    files.disk().ignore_syncs(forget_to_sync);
    files.disk().end_at(1 + static_cast<std::int64_t>(random_below(77, 25, seed, round)));
    bool done = false;
    try {
      extend(files, 5, &committed);
      done = true;
    } catch (const ProcessEnded&) {
    } catch (const Error&) {
      return false;  // refused as damaged
    }
    files.disk().restart_after_power_cut(hash_combine(seed, round));
    const std::string text = files.exists(kPath) ? files.read(kPath) : "";
    try {
      if (static_cast<std::int64_t>(parse_journal(text, kPath).records.size()) < committed) return false;
    } catch (const Error&) {
      return false;
    }
    if (done) return text == expected;
  }
  return false;
}

TEST(JournalCrash, PowerCutsLoseNothingCommitted) {
  const std::string expected = journal_text(5);
  for (std::uint64_t seed = 0; seed < 2000; ++seed) ASSERT_TRUE(survives_power_cuts(seed, false, expected)) << seed;
}

TEST(JournalCrash, AJournalThatForgetsToSyncIsCaught) {
  const std::string expected = journal_text(5);
  int caught = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) caught += !survives_power_cuts(seed, true, expected);
  EXPECT_GT(caught, 50);
}

// A record that a killed process wrote but did not sync is seen by the next process, and must then be durable.
TEST(JournalCrash, WhatOpeningReturnsIsDurable) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    FaultyFileSystem files;
    files.make_directories("/run");
    {
      Journal journal(files, kPath);
      files.disk().end_at(2);  // the sync of the append
      EXPECT_THROW(journal.append(record(0)), ProcessEnded);
    }
    files.disk().restart_after_kill();
    ASSERT_EQ(Journal(files, kPath).records().size(), 1u);
    files.disk().restart_after_power_cut(seed);
    ASSERT_EQ(Journal(files, kPath).records().size(), 1u);
  }
}

TEST(JournalCrash, FailingCallsAreReportedAndTheNextRunGoesOn) {
  const std::string expected = journal_text(3);
  for (const int error : {ENOSPC, EIO}) {
    for (const bool half_done : {false, true}) {
      for (std::int64_t n = 1;; ++n) {
        FaultyFileSystem files;
        std::int64_t committed = 0;
        files.disk().fail_at(n, error, half_done);
        const std::string message = error_of([&] { extend(files, 3, &committed); });
        const bool faulted = files.disk().faulted();
        ASSERT_EQ(message.empty(), !faulted) << message;
        ASSERT_THAT(message, faulted ? HasSubstr("/") : HasSubstr(""));
        files.disk().clear_faults();
        extend(files, 3, &committed);
        ASSERT_EQ(files.read(kPath), expected) << "call " << n;
        if (!faulted) break;
      }
    }
  }
}

TEST(JournalCrash, AfterAFailedWriteTheJournalTakesNoMore) {
  FaultyFileSystem files;
  files.make_directories("/run");
  Journal journal(files, kPath);
  journal.append(record(0));
  files.disk().fail_at(1, ENOSPC, true);
  EXPECT_THAT(error_of([&] { journal.append(record(1)); }), HasSubstr("No space left"));
  files.disk().clear_faults();
  EXPECT_THAT(error_of([&] { journal.append(record(1)); }), HasSubstr("an earlier write failed"));
  EXPECT_EQ(journal.records().size(), 1u);
  EXPECT_EQ(Journal(files, kPath).records().size(), 1u);
}

TEST(JournalCrash, WorksOnTheMachinesOwnFiles) {
  const test::TempDir directory;
  const std::string path = directory.write("journal.jsonl", journal_text(4).substr(0, 100));
  Journal journal(posix_file_system(), path);
  EXPECT_TRUE(journal.was_torn());
  for (auto i = static_cast<std::int64_t>(journal.records().size()); i < 4; ++i) journal.append(record(i));
  EXPECT_EQ(test::slurp(path), journal_text(4));
}

TEST(Journal, HoldsOnTheFuzzCorpus) {
  test::replay_corpus("journal", fuzz_journal);
}

}  // namespace
}  // namespace quarry

// SPDX-License-Identifier: MIT
// Compares what ptxas says about every kernel (the *.ptxas files beside the objects of a build) with
// kernels/resources.json. A spill or a stack frame that is not on record fails with any compiler; more than 10 % more
// registers fail with the compiler of the record only, since allocation changes between versions. Kernels of CUB and
// Thrust, and architectures that the record does not have, are not looked at.
// usage: kernel_resources REPORTS_DIR RECORD.json NVCC_VERSION [--update]
// exit code: 0 as recorded, 1 not, 2 usage, 77 none of the record's architectures was compiled
#include <cxxabi.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <string>

namespace {

struct Resources {
  int registers = 0, stack = 0, spill_stores = 0, spill_loads = 0, shared = 0;
};
using Table = std::map<std::string, Resources>;  // "file.cu kernel sm_90a" -> what it takes

std::string readable(const std::string& mangled) {
  int status = 0;
  char* text = abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status);
  std::string name = status == 0 ? text : mangled;
  std::free(text);
  const auto strip = [&name](const std::string& what) {
    for (std::size_t at; (at = name.find(what)) != std::string::npos;) name.erase(at, what.size());
  };
  strip("(anonymous namespace)::");
  strip("quarry::");
  strip("void ");
  int depth = 0;  // cut the argument list: the first '(' outside template arguments
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '<') ++depth;
    if (name[i] == '>') --depth;
    if (name[i] == '(' && depth == 0) return name.substr(0, i);
  }
  return name;
}

void read_report(const std::filesystem::path& path, Table& table) {
  static const std::regex entry("Compiling entry function '([^']+)' for '([^']+)'");
  static const std::regex stack("([0-9]+) bytes stack frame, ([0-9]+) bytes spill stores, ([0-9]+) bytes spill loads");
  static const std::regex used("Used ([0-9]+) registers(?:.*?, ([0-9]+) bytes smem)?");
  std::ifstream in(path);
  std::string line, kernel;
  const std::string file = path.filename().string();  // X.cu.o.ptxas
  const std::string source = file.substr(0, file.find(".cu") + 3);
  std::smatch found;
  while (std::getline(in, line)) {
    if (std::regex_search(line, found, entry)) {
      const std::string name = readable(found[1]);
      const bool ours = name.rfind("cub::", 0) != 0 && name.rfind("thrust::", 0) != 0;
      kernel = ours ? source + " " + name + " " + found[2].str() : "";
    } else if (kernel.empty()) {
      continue;
    } else if (std::regex_search(line, found, stack)) {
      Resources& r = table[kernel];
      r.stack = std::stoi(found[1]);
      r.spill_stores = std::stoi(found[2]);
      r.spill_loads = std::stoi(found[3]);
    } else if (std::regex_search(line, found, used)) {
      table[kernel].registers = std::stoi(found[1]);
      table[kernel].shared = found[2].matched ? std::stoi(found[2]) : 0;
    }
  }
}

std::string architecture_of(const std::string& kernel) {
  return kernel.substr(kernel.rfind(' ') + 1);
}

/// Leaves what is for the architectures of the record; returns the others' names.
std::set<std::string> drop_unrecorded(Table& table, const nlohmann::json& known) {
  std::set<std::string> recorded, dropped;
  for (const auto& [kernel, unused] : known.items()) recorded.insert(architecture_of(kernel));
  for (auto entry = table.begin(); entry != table.end();) {
    const std::string architecture = architecture_of(entry->first);
    const bool keep = recorded.count(architecture) > 0;
    if (!keep) dropped.insert(architecture);
    entry = keep ? std::next(entry) : table.erase(entry);
  }
  return dropped;
}

nlohmann::ordered_json to_json(const Table& table, const std::string& version) {
  nlohmann::ordered_json record;
  record["nvcc"] = version;
  for (const auto& [kernel, r] : table) {
    record["kernels"][kernel] = {{"registers", r.registers},
                                 {"stack", r.stack},
                                 {"spill_stores", r.spill_stores},
                                 {"spill_loads", r.spill_loads},
                                 {"shared", r.shared}};
  }
  return record;
}

/// Prints every difference that counts; returns how many.
int compare(const Table& table, const nlohmann::json& record, const std::string& version) {
  const bool same_compiler = record.at("nvcc") == version;
  const nlohmann::json& known = record.at("kernels");
  int bad = 0;
  for (const auto& [kernel, r] : table) {
    const bool on_record = known.contains(kernel);
    const auto was = [&](const char* what) { return on_record ? known.at(kernel).at(what).get<int>() : 0; };
    const auto complain = [&](const char* what, int is, int before) {
      std::cout << kernel << ": " << what << " " << is << ", on record " << before << "\n";
      ++bad;
    };
    if (r.stack > was("stack")) complain("stack bytes", r.stack, was("stack"));
    if (r.spill_stores > was("spill_stores")) complain("spill stores", r.spill_stores, was("spill_stores"));
    if (r.spill_loads > was("spill_loads")) complain("spill loads", r.spill_loads, was("spill_loads"));
    if (!same_compiler) continue;
    if (!on_record) {
      std::cout << kernel << ": not on record\n";
      ++bad;
    } else if (10 * r.registers > 11 * was("registers")) {
      complain("registers", r.registers, was("registers"));
    }
  }
  std::set<std::string> compiled;
  for (const auto& [kernel, unused] : table) compiled.insert(architecture_of(kernel));
  for (const auto& [kernel, unused] : known.items()) {
    if (same_compiler && compiled.count(architecture_of(kernel)) > 0 && table.count(kernel) == 0) {
      std::cout << kernel << ": on record, but no longer compiled\n";
      ++bad;
    }
  }
  return bad;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::cerr << "usage: kernel_resources REPORTS_DIR RECORD.json NVCC_VERSION [--update]\n";
    return 2;
  }
  const std::string record_path = argv[2], version = argv[3];
  Table table;
  for (const auto& file : std::filesystem::recursive_directory_iterator(argv[1])) {
    if (file.path().extension() == ".ptxas") read_report(file.path(), table);
  }
  if (table.empty()) {
    std::cerr << "no kernel is reported below " << argv[1] << "\n";
    return 1;
  }
  if (argc > 4 && std::string(argv[4]) == "--update") {
    std::ofstream(record_path) << to_json(table, version).dump(1) << "\n";
    std::cout << table.size() << " kernels recorded\n";
    return 0;
  }
  std::ifstream in(record_path);
  if (!in) {
    std::cerr << record_path << " cannot be read\n";
    return 1;
  }
  const nlohmann::json record = nlohmann::json::parse(in);
  for (const std::string& architecture : drop_unrecorded(table, record.at("kernels")))
    std::cout << architecture << " is not on record: not looked at\n";
  if (table.empty()) return 77;
  const int bad = compare(table, record, version);
  if (bad > 0) {
    std::cout << "If that is meant: " << argv[0] << " " << argv[1] << " " << record_path << " " << version
              << " --update\n";
    return 1;
  }
  std::cout << table.size() << " kernels take what is on record\n";
  return 0;
}

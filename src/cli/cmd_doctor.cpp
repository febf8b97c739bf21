// SPDX-License-Identifier: MIT
// quarry doctor: what this machine offers, what is missing and what to do about it.
#include <sys/statvfs.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "quarry/core/device.h"
#include "quarry/core/error.h"
#include "quarry/core/gpu_convolution.h"
#include "quarry/core/text.h"
#include "quarry/study/environment.h"
#include "src/cli/commands.h"
#include "src/cli/output.h"
#include "src/report/subprocess.h"

namespace quarry::cli {
namespace {

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

enum class Finding {
  ok,
  missing,  ///< something is less than it could be; quarry works without it
  broken,   ///< nothing will run like this
};

/// Prints findings and remembers whether quarry can work.
class Examination {
 public:
  void note(Finding finding, std::string_view subject, std::string_view text, std::string_view advice = "") {
    constexpr std::string_view kMarks[] = {"ok", "missing", "broken"};
    print("{:<8} {:<14} {}\n", kMarks[static_cast<int>(finding)], subject, printable(text));
    if (finding != Finding::ok) print("{:<23} -> {}\n", "", advice);
    broken_ = broken_ || finding == Finding::broken;
  }
  bool broken() const { return broken_; }

 private:
  bool broken_ = false;
};

void examine_machine(Examination& doctor) {
  const MachineInfo machine = machine_info();
  doctor.note(Finding::ok, "system", machine.system);
  doctor.note(Finding::ok, "CPU", fmt::format("{}, {} cores usable", machine.cpu, machine.cores));
  doctor.note(Finding::ok, "memory", fmt::format("{:.1f} GiB", static_cast<double>(machine.memory_bytes) / kGiB));
  try {
    doctor.note(
        Finding::ok, "SIMD",
        fmt::format("{} is used, of portable, avx2 and avx512; all give the same bits", to_string(simd_level())));
  } catch (const Error& error) {
    doctor.note(Finding::broken, "SIMD", error.what(), "unset QUARRY_SIMD, or give it a level this CPU has");
  }
}

void examine_gpus(Examination& doctor) {
  const UsableGpus gpus = usable_gpus();
  for (int i = 0; i < gpus.count; ++i)
    doctor.note(Finding::ok, to_string({DeviceKind::cuda, i}), gpu_text(gpu::device_info(i)));
  if (gpus.count == 0)
    doctor.note(Finding::missing, "GPU", gpus.why,
                "nothing to do: studies run on the CPU, with the same results (of residual networks, within rounding)");
  try {
    doctor.note(Finding::ok, "cuDNN", gpu::convolution_library());
  } catch (const Error& error) {
    doctor.note(Finding::missing, "cuDNN", error.what(),
                "nothing to do: only training.convolution = \"cudnn\" and comparisons of convolutions need it");
  }
}

void examine_build(Examination& doctor) {
  const BuildInfo& build = build_info();
  doctor.note(Finding::ok, "quarry", fmt::format("{}, commit {}", build.version, build.commit));
  doctor.note(Finding::ok, "build", fmt::format("{}, {}, {}", build.build_type, build.compiler, build.flags));
  doctor.note(Finding::ok, "CUDA", build.cuda);
  std::string libraries;
  for (const LibraryVersion& library : build.libraries) {
    libraries += fmt::format("{}{} {}", libraries.empty() ? "" : ", ", library.name, library.version);
  }
  doctor.note(Finding::ok, "libraries", libraries);
}

void examine_tools(Examination& doctor) {
  const ProgramResult gnuplot = run_program({"gnuplot", "--version"}, ".", 10);
  if (gnuplot.found && gnuplot.status == 0) {
    doctor.note(Finding::ok, "gnuplot", gnuplot.output.substr(0, gnuplot.output.find('\n')));
  } else {
    doctor.note(Finding::missing, "gnuplot", "cannot be run: reports have tables but no pictures",
                "apt-get install gnuplot-nox");
  }
}

void examine_data(Examination& doctor) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path fashion = "/usr/share/datasets/fashion-mnist";
  if (fs::is_directory(fashion, ignored)) {
    doctor.note(Finding::ok, "Fashion-MNIST", fashion.string());
  } else {
    doctor.note(Finding::missing, "Fashion-MNIST", fmt::format("there is no folder {}", fashion.string()),
                "apt-get install dataset-fashion-mnist");
  }
  const char* data = std::getenv("QUARRY_DATA");
  if (!data || !*data) {
    doctor.note(
        Finding::missing, "QUARRY_DATA",
        "is not set: data sets with files of their own are looked for where the config says and "
        "`quarry data fetch` puts them",
        "for splice or dna, set it to the folder that holds libsvm/; `quarry data fetch cifar10` gets CIFAR-10");
  } else if (fs::is_directory(data, ignored)) {
    doctor.note(Finding::ok, "QUARRY_DATA", data);
  } else {
    doctor.note(Finding::missing, "QUARRY_DATA", fmt::format("{} is not a folder", data),
                "set it to the folder that holds libsvm/, or unset it");
  }
  struct statvfs disk {};
  if (statvfs(".", &disk) == 0) {
    const double gib = static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize) / kGiB;
    doctor.note(gib >= 1 ? Finding::ok : Finding::missing, "disk", fmt::format("{:.1f} GiB free in this folder", gib),
                "free some space, or write elsewhere with quarry run --out DIR");
  }
}

}  // namespace

void add_doctor_command(Command& program) {
  Command command =
      program.add("doctor", "Say what this machine offers, what is missing, and what to do", "quarry doctor");
  command.action([] {
    Examination doctor;
    examine_build(doctor);
    examine_machine(doctor);
    examine_gpus(doctor);
    examine_tools(doctor);
    examine_data(doctor);
    if (doctor.broken()) usage_error("quarry cannot run like this; what is broken is marked above");
    return 0;
  });
}

}  // namespace quarry::cli

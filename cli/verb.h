// What every verb shares: its place in the program, its common options, and where its results go.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "tersor/tersor.h"

namespace tersor::cli {

struct Common {
  bool json = false;
  bool quiet = false;
  int threads = 0;                   // 0: one per core
  std::vector<std::string> command;  // as typed
};

// Declares the options of one verb and returns what runs it; that gives the exit code.
using Declare = std::function<int()> (*)(CLI::App& app, Common& common);
struct Verb {
  const char* name;
  const char* summary;
  const char* example;  // last line of its help
  Declare declare;
};
const std::vector<Verb>& verbs();

std::function<int()> declare_inspect(CLI::App&, Common&);
std::function<int()> declare_sensitivity(CLI::App&, Common&);
std::function<int()> declare_calibrate(CLI::App&, Common&);
std::function<int()> declare_quantize(CLI::App&, Common&);
std::function<int()> declare_convert(CLI::App&, Common&);
std::function<int()> declare_run(CLI::App&, Common&);
std::function<int()> declare_run_pb(CLI::App&, Common&);
std::function<int()> declare_compare(CLI::App&, Common&);
std::function<int()> declare_eval(CLI::App&, Common&);
std::function<int()> declare_bench(CLI::App&, Common&);
std::function<int()> declare_explain(CLI::App&, Common&);
std::function<int()> declare_version(CLI::App&, Common&);

// --threads, for verbs that run models.
void add_threads(CLI::App& app, Common& common);
// A usage Error (exit 2).
[[noreturn]] void fail_usage(std::string sentence, std::string help = {});
// ", did you mean 'x'?" for the nearest of `names`, or "".
std::string did_you_mean(const std::string& wish, const std::vector<std::string>& names);
// A usage Error if `given` is none of the choices: "unknown type 'x'", with the nearest and all.
void check_choice(const char* what, const std::string& given,
                  const std::vector<std::string>& choices);

}  // namespace tersor::cli

// Progress of long work on stderr, and interruption by the user.
#pragma once

#include <chrono>
#include <string>

#include "tersor/data.h"

namespace tersor::cli {

// SIGINT and SIGTERM end long work at the next sample; a second one ends the program.
void catch_signals();
// 0, or the signal that came.
int caught_signal();

// A bar with the time left on a terminal; elsewhere a line for each finished stage. Nothing if
// `quiet`.
class ProgressBar {
 public:
  explicit ProgressBar(bool quiet);
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  // For the library; refers to this object.
  Progress callback();

 private:
  bool show(const std::string& stage, int64_t done, int64_t total);
  void clear();

  bool quiet_, terminal_, drawn_ = false;
  std::string stage_;
  std::chrono::steady_clock::time_point start_, last_;
};

}  // namespace tersor::cli

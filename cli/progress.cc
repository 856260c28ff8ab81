#include "progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

namespace tersor::cli {
namespace {

volatile std::sig_atomic_t g_signal = 0;

void on_signal(int signal) {
  if (g_signal) _exit(128 + signal);
  g_signal = signal;
}

}  // namespace

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int caught_signal() { return g_signal; }

ProgressBar::ProgressBar(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO)) {}

Progress ProgressBar::callback() {
  return [this](const std::string& stage, int64_t done, int64_t total) {
    return show(stage, done, total);
  };
}

bool ProgressBar::show(const std::string& stage, int64_t done, int64_t total) {
  if (g_signal) return false;
  if (quiet_) return true;
  const auto now = std::chrono::steady_clock::now();
  if (stage != stage_) {
    stage_ = stage;
    start_ = now;
    last_ = {};
  }
  const double seconds = std::chrono::duration<double>(now - start_).count();
  if (done >= total) {
    clear();
    if (terminal_ || total > 0)
      fmt::print(stderr, "{:<10} {} samples in {:.1f} s\n", stage, done, seconds);
    return true;
  }
  if (!terminal_ || now - last_ < std::chrono::milliseconds(100) || total <= 0) return true;
  last_ = now;
  constexpr int kWidth = 40;
  const double share = static_cast<double>(done) / static_cast<double>(total);
  const int full = std::clamp(static_cast<int>(share * kWidth), 0, kWidth);
  const std::string left =
      done > 0 ? fmt::format("{:.0f} s left", seconds / share - seconds) : std::string("...");
  fmt::print(stderr, "\r{:<10} [{}{}] {:3.0f} %  {}/{}  {}   ", stage,
             std::string(static_cast<size_t>(full), '#'),
             std::string(static_cast<size_t>(kWidth - full), '.'), 100 * share, done, total, left);
  std::fflush(stderr);
  drawn_ = true;
  return true;
}

void ProgressBar::clear() {
  if (drawn_) fmt::print(stderr, "\r\033[K");
  drawn_ = false;
}

}  // namespace tersor::cli

// One page that says what became of a model: HTML that needs no network and runs no script.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tersor/compare.h"
#include "tersor/quantize.h"

namespace tersor {

struct ReportModel {
  std::string path, sha256;
  uint64_t bytes = 0;
};

// What the page shows; what is absent is left out of it.
struct Report {
  ReportModel original, compressed;
  std::vector<std::string> command;           // to repeat it, word by word
  std::string recipe;                         // "int8 mse per-channel bias-correct"
  const QuantizeResult* quantized = nullptr;  // with `details`
  const Comparison* comparison = nullptr;
  std::vector<Timing> timings;  // of the original and the compressed model, or none
  std::vector<Warning> warnings;
};

// Every text that comes from a model, from file names or from the command is escaped.
std::string html_report(const Report& report);

// Writes a text as a whole file or not at all. E40 if it exists and `force` is not set.
void write_text(const std::filesystem::path& path, std::string_view text, bool force = false);

}  // namespace tersor

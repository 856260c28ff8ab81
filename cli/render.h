// Results as text and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tersor/tersor.h"
#include "verb.h"

namespace tersor::cli {

using Json = nlohmann::json;  // keys sorted

// Columns padded to their widest cell; the first is flush left, the others as `right` says.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  Table& left(size_t column);  // flush left; columns but the first are flush right otherwise
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string text(const std::string& indent = "  ") const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<size_t> left_{0};
};

std::string bytes_text(uint64_t bytes);  // "44.7 MB"
std::string count_text(int64_t count);   // "11.7 M"
std::string percent(double share, int digits = 1);
std::string decibel(double db);                  // "31.4 dB", "equal"
std::string printable(const std::string& text);  // control characters escaped

// Non-finite numbers become null.
Json number(double value);
Json to_json(const Comparison& comparison);
Json to_json(const Timing& timing);
Json to_json(const std::vector<Warning>& warnings);
Json to_json(const Port& port);
// The two files of a report: the page, and its JSON twin beside it.
struct ReportFiles {
  std::string html, json;
};
// An Error if either cannot be written.
ReportFiles report_files(const std::string& path, bool force);
void write_report(const ReportFiles& files, const Report& report, const Json& json, bool force);
Json host_json();
// What begins every report.
Json report(const Common& common);

void print(const Json& json);
void print(const std::string& text);  // stdout; an Error (exit 4) if it cannot be written
void print_warnings(const std::vector<Warning>& warnings, const Common& common);
// The tables of a comparison, without the verdict.
std::string comparison_text(const Comparison& comparison, bool samples);

}  // namespace tersor::cli

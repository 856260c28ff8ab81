// The JSON form of statistics.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "stats/statistics.h"
#include "text/json.h"

namespace tersor::stats {
namespace {

using text::Json;
constexpr const char* kSchema = "tersor.stats/1";
constexpr size_t kMostChannels = 1 << 22;
const text::JsonReader kReader("E25");

// Without the zeros at the end.
Json counts_json(std::span<const uint64_t> counts) {
  size_t n = counts.size();
  while (n > 0 && counts[n - 1] == 0) --n;
  return std::vector<uint64_t>(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(n));
}

// Sums, and what rounding them to 64 bits left; a lost one is null.
Json sums_json(std::span<const ExactSum> sums) {
  Json values = Json::array(), rests = Json::array();
  for (const ExactSum& s : sums) {
    values.push_back(std::isfinite(s.value()) ? Json(s.value()) : Json(nullptr));
    rests.push_back(s.rest());
  }
  return {{"sums", std::move(values)}, {"rests", std::move(rests)}};
}

std::vector<ExactSum> read_sums(const Json& j, size_t least, size_t most) {
  const std::vector<double> values = kReader.numbers_or_null(j, "sums", most);
  const std::vector<double> rests = kReader.numbers_or_null(j, "rests", most);
  if (values.size() < least) kReader.fail_field("sums", "long enough");
  if (values.size() != rests.size()) kReader.fail_field("rests", "as long as 'sums'");
  std::vector<ExactSum> sums;
  for (size_t i = 0; i < values.size(); ++i) sums.emplace_back(values[i], rests[i]);
  return sums;
}

Json tensor_json(const TensorStats& t) {
  Json j{{"count", t.range.count}, {"nan", t.range.nan}, {"inf", t.range.inf}};
  if (!t.range.empty()) {
    j["min"] = static_cast<double>(t.range.min);
    j["max"] = static_cast<double>(t.range.max);
    j["histogram"] = {{"exponent", t.histogram.exponent()},
                      {"negative", counts_json(t.histogram.negative())},
                      {"positive", counts_json(t.histogram.positive())}};
    const ExactSum both[] = {t.extremes.min, t.extremes.max};
    j["extremes"] = sums_json(both);
    j["extremes"]["samples"] = t.extremes.samples;
  }
  if (!t.channels.sums.empty()) {
    j["channels"] = sums_json(t.channels.sums);
    j["channels"]["count"] = t.channels.count;
  }
  return j;
}

std::vector<uint64_t> read_bins(const Json& j, const char* key) {
  std::vector<uint64_t> counts = kReader.counts(j, key, Histogram::kBins);
  if (!counts.empty()) counts.resize(Histogram::kBins);
  return counts;
}

TensorStats read_tensor(const Json& j) {
  if (!j.is_object()) kReader.fail("it is not an object");
  TensorStats t;
  t.range.count = kReader.count(j, "count");
  t.range.nan = kReader.count(j, "nan");
  t.range.inf = kReader.count(j, "inf");
  if (j.contains("min")) {
    t.range.min = kReader.float32(j, "min");
    t.range.max = kReader.float32(j, "max");
    const Json& h = kReader.object(j, "histogram");
    const auto exponent = static_cast<int>(
        kReader.integer(h, "exponent", Histogram::kMinExponent, Histogram::kMaxExponent));
    t.histogram = Histogram(exponent, read_bins(h, "positive"), read_bins(h, "negative"));
    const Json& e = kReader.object(j, "extremes");
    const std::vector<ExactSum> both = read_sums(e, 2, 2);
    t.extremes = {both[0], both[1], kReader.count(e, "samples")};
  }
  if (j.contains("channels")) {
    const Json& c = kReader.object(j, "channels");
    t.channels = {read_sums(c, 1, kMostChannels), kReader.count(c, "count")};
  }
  const uint64_t count = t.range.count;
  const bool counted = t.range.nan <= count && t.range.inf <= count - t.range.nan &&
                       t.histogram.total() == count - t.range.nan - t.range.inf &&
                       t.extremes.samples <= t.histogram.total() && t.channels.count <= count;
  const double largest = std::fmax(std::fabs(t.range.min), std::fabs(t.range.max));
  const bool ranged = t.range.empty() ? !j.contains("min") && t.histogram.total() == 0
                                      : t.extremes.samples > 0 && t.histogram.total() > 0 &&
                                            largest < std::ldexp(1.0, t.histogram.exponent());
  if (!counted || !ranged) kReader.fail("its counts contradict each other");
  return t;
}

Statistics read_document(std::string_view text) {
  const Json j = kReader.parse(text);
  if (j.value("schema", Json()) != kSchema)
    kReader.fail(fmt::format("its schema is not '{}'", kSchema));
  Statistics s;
  s.samples = kReader.count(j, "samples");
  s.synthetic = kReader.boolean(j, "synthetic");
  s.model = kReader.string(j, "model");
  s.settings = kReader.string(j, "settings");
  s.data = kReader.string(j, "data");
  s.version = kReader.string(j, "tersor");
  const Json& tensors = kReader.object(j, "tensors");
  for (const auto& [key, value] : tensors.items())
    s.tensors[key] = base::with_frame([&] { return read_tensor(value); },
                                      [&] { return "tensor " + base::quoted(key); });
  return s;
}

}  // namespace

std::string to_json_text(const Statistics& s) {
  const Json head{{"schema", kSchema},  {"samples", s.samples},   {"synthetic", s.synthetic},
                  {"model", s.model},   {"settings", s.settings}, {"data", s.data},
                  {"tersor", s.version}};
  std::string text = "{\n";
  for (const auto& [key, value] : head.items())
    text += text::to_text(key) + ": " + text::to_text(value) + ",\n";
  text += "\"tensors\": {";
  const char* separator = "\n";
  for (const auto& [key, value] : s.tensors) {
    text += separator + text::to_text(key) + ": " + text::to_text(tensor_json(value));
    separator = ",\n";
  }
  return text + "\n}\n}\n";
}

Statistics parse_statistics(std::string_view text, const std::string& name) {
  try {
    return read_document(text);
  } catch (const Error& e) {
    Error error(e.kind(), "E25",
                base::quoted(name) + " does not hold calibration statistics: " + e.sentence(),
                "write it with 'tersor calibrate -o'");
    for (const std::string& frame : e.frames()) error.add_frame(frame);
    throw error;
  }
}

}  // namespace tersor::stats

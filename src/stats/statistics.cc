#include "stats/statistics.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/checked.h"

namespace tersor::stats {
namespace {

using Json = nlohmann::json;
constexpr const char* kSchema = "tersor.stats/1";

// Without the zeros at the end.
Json counts_json(std::span<const uint64_t> counts) {
  size_t n = counts.size();
  while (n > 0 && counts[n - 1] == 0) --n;
  return std::vector<uint64_t>(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(n));
}

Json tensor_json(const TensorStats& t) {
  Json j{{"count", t.range.count}, {"nan", t.range.nan}, {"inf", t.range.inf}};
  if (!t.range.empty()) {
    j["min"] = static_cast<double>(t.range.min);
    j["max"] = static_cast<double>(t.range.max);
    j["histogram"] = {{"exponent", t.histogram.exponent()},
                      {"negative", counts_json(t.histogram.negative())},
                      {"positive", counts_json(t.histogram.positive())}};
  }
  if (!t.channels.means().empty())
    j["channels"] = {{"count", t.channels.count}, {"sums", t.channels.sums}};
  return j;
}

[[noreturn]] void fail_field(const char* key, const char* wanted) {
  base::fail_input("E25", "'{}' is missing or not {}", key, wanted);
}

const Json& field(const Json& j, const char* key) {
  const auto it = j.find(key);
  if (it == j.end()) fail_field(key, "there");
  return *it;
}

uint64_t read_count(const Json& j, const char* key) {
  const Json& v = field(j, key);
  if (!v.is_number_unsigned()) fail_field(key, "a count");
  return v.get<uint64_t>();
}

float read_float(const Json& j, const char* key) {
  const Json& v = field(j, key);
  const double d = v.is_number() ? v.get<double>() : NAN;
  if (!(std::fabs(d) <= std::numeric_limits<float>::max())) fail_field(key, "a finite float32");
  return static_cast<float>(d);
}

std::vector<uint64_t> read_counts(const Json& j, const char* key) {
  const Json& v = field(j, key);
  if (!v.is_array() || v.size() > static_cast<size_t>(Histogram::kBins))
    fail_field(key, "a list of counts");
  std::vector<uint64_t> counts;
  if (v.empty()) return counts;
  counts.reserve(Histogram::kBins);
  for (const Json& n : v) {
    if (!n.is_number_unsigned()) fail_field(key, "a list of counts");
    counts.push_back(n.get<uint64_t>());
  }
  counts.resize(Histogram::kBins);
  return counts;
}

TensorStats read_tensor(const Json& j) {
  if (!j.is_object()) base::fail_input("E25", "it is not an object");
  TensorStats t;
  t.range.count = read_count(j, "count");
  t.range.nan = read_count(j, "nan");
  t.range.inf = read_count(j, "inf");
  const uint64_t bad = base::checked_add(t.range.nan, t.range.inf, "a count");
  if (bad > t.range.count) base::fail_input("E25", "its counts contradict each other");
  if (j.contains("min")) {
    t.range.min = read_float(j, "min");
    t.range.max = read_float(j, "max");
    const Json& h = field(j, "histogram");
    if (!h.is_object()) fail_field("histogram", "an object");
    const Json& exponent = field(h, "exponent");
    if (!exponent.is_number_integer()) fail_field("exponent", "an integer");
    const auto e = exponent.get<int64_t>();
    if (e < Histogram::kMinExponent || e > Histogram::kMaxExponent)
      fail_field("exponent", "in range");
    t.histogram =
        Histogram(static_cast<int>(e), read_counts(h, "positive"), read_counts(h, "negative"));
  }
  if (j.contains("channels")) {
    const Json& c = field(j, "channels");
    if (!c.is_object()) fail_field("channels", "an object");
    t.channels.count = read_count(c, "count");
    const Json& sums = field(c, "sums");
    if (!sums.is_array()) fail_field("sums", "a list of numbers");
    for (const Json& v : sums) {
      if (!v.is_number()) fail_field("sums", "a list of numbers");
      t.channels.sums.push_back(v.get<double>());
    }
  }
  const double largest = std::fmax(std::fabs(t.range.min), std::fabs(t.range.max));
  if (t.histogram.total() != t.range.count - bad ||
      (t.range.empty() ? t.histogram.total() != 0
                       : largest >= std::ldexp(1.0, t.histogram.exponent())))
    base::fail_input("E25", "its counts contradict each other");
  return t;
}

Statistics read_document(std::string_view text) {
  const Json j = Json::parse(text, nullptr, false);
  if (j.is_discarded() || !j.is_object()) base::fail_input("E25", "it is not a JSON object");
  if (j.value("schema", Json()) != kSchema)
    base::fail_input("E25", "its schema is not '{}'", kSchema);
  Statistics s;
  s.samples = read_count(j, "samples");
  const Json& synthetic = field(j, "synthetic");
  if (!synthetic.is_boolean()) fail_field("synthetic", "true or false");
  s.synthetic = synthetic.get<bool>();
  const Json& model = field(j, "model");
  if (!model.is_string()) fail_field("model", "a text");
  s.model = model.get<std::string>();
  const Json& tensors = field(j, "tensors");
  if (!tensors.is_object()) fail_field("tensors", "an object");
  for (const auto& [key, value] : tensors.items())
    s.tensors[key] = base::with_frame([&] { return read_tensor(value); },
                                      [&] { return "tensor " + base::quoted(key); });
  return s;
}

}  // namespace

void TensorStats::add(std::span<const float> values) {
  MinMax here;
  here.add(values);
  range.merge(here);
  if (!here.empty()) histogram.add(values, std::fmax(std::fabs(here.min), std::fabs(here.max)));
}

void TensorStats::merge(const TensorStats& other) {
  range.merge(other.range);
  histogram.merge(other.histogram);
  channels.merge(other.channels);
}

void Statistics::merge(const Statistics& other) {
  if (!model.empty() && !other.model.empty() && model != other.model)
    throw Error(ErrorKind::kInput, "E25", "the statistics belong to different models",
                "calibrate all parts with one model");
  if (model.empty()) model = other.model;
  for (const auto& [key, value] : other.tensors) tensors[key].merge(value);
  samples += other.samples;
  synthetic = synthetic || other.synthetic;
}

std::string to_json_text(const Statistics& s) {
  Json tensors = Json::object();
  for (const auto& [key, value] : s.tensors) tensors[key] = tensor_json(value);
  const Json j{{"schema", kSchema},
               {"samples", s.samples},
               {"synthetic", s.synthetic},
               {"model", s.model},
               {"tensors", std::move(tensors)}};
  return j.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
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

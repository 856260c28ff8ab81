#include "text/json.h"

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/limits.h"

namespace tersor::text {

void JsonReader::fail(std::string sentence) const {
  throw Error(ErrorKind::kInput, code_, std::move(sentence));
}
void JsonReader::fail_field(const char* key, const char* wanted) const {
  fail(fmt::format("'{}' is missing or not {}", key, wanted));
}

Json JsonReader::parse(std::string_view text) const {
  uint64_t values = 0;
  const auto watch = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > limits::kJsonDepth)
      fail(fmt::format("it nests deeper than the limit of {}", limits::kJsonDepth));
    if (++values > limits::kJsonValues)
      fail(fmt::format("it has more values than the limit of {}", limits::kJsonValues));
    return true;
  };
  Json json = Json::parse(text, watch, false);
  if (json.is_discarded()) fail("it is not JSON, or cut off");
  if (!json.is_object()) fail("it is not a JSON object");
  return json;
}

const Json& JsonReader::field(const Json& object, const char* key) const {
  const auto it = object.find(key);
  if (it == object.end()) fail_field(key, "there");
  return *it;
}

const Json& JsonReader::object(const Json& object, const char* key) const {
  const Json& v = field(object, key);
  if (!v.is_object()) fail_field(key, "an object");
  return v;
}

uint64_t JsonReader::count(const Json& object, const char* key) const {
  const Json& v = field(object, key);
  if (!v.is_number_unsigned()) fail_field(key, "a count");
  return v.get<uint64_t>();
}

int64_t JsonReader::integer(const Json& object, const char* key, int64_t from, int64_t to) const {
  const Json& v = field(object, key);
  const bool fits = v.is_number_unsigned()  ? v.get<uint64_t>() <= INT64_MAX
                    : v.is_number_integer() ? true
                                            : false;
  if (!fits || v.get<int64_t>() < from || v.get<int64_t>() > to)
    fail_field(key, fmt::format("an integer of {} to {}", from, to).c_str());
  return v.get<int64_t>();
}

double JsonReader::number(const Json& object, const char* key) const {
  const Json& v = field(object, key);
  const double d = v.is_number() ? v.get<double>() : NAN;
  if (!std::isfinite(d)) fail_field(key, "a finite number");
  return d;
}

float JsonReader::float32(const Json& object, const char* key) const {
  const double d = number(object, key);
  if (std::fabs(d) > static_cast<double>(std::numeric_limits<float>::max()))
    fail_field(key, "a float32");
  return static_cast<float>(d);
}

bool JsonReader::boolean(const Json& object, const char* key) const {
  const Json& v = field(object, key);
  if (!v.is_boolean()) fail_field(key, "true or false");
  return v.get<bool>();
}

std::string JsonReader::string(const Json& object, const char* key) const {
  const Json& v = field(object, key);
  if (!v.is_string() || v.get_ref<const std::string&>().size() > limits::kNameBytes)
    fail_field(key, "a text of reasonable length");
  return v.get<std::string>();
}

namespace {

const Json& list(const JsonReader& reader, const Json& object, const char* key, size_t most) {
  const Json& v = reader.field(object, key);
  if (!v.is_array() || v.size() > most)
    reader.fail_field(key, fmt::format("a list of at most {}", most).c_str());
  return v;
}

}  // namespace

std::vector<uint64_t> JsonReader::counts(const Json& object, const char* key, size_t most) const {
  std::vector<uint64_t> out;
  for (const Json& v : list(*this, object, key, most)) {
    if (!v.is_number_unsigned()) fail_field(key, "a list of counts");
    out.push_back(v.get<uint64_t>());
  }
  return out;
}

std::vector<double> JsonReader::numbers_or_null(const Json& object, const char* key,
                                                size_t most) const {
  std::vector<double> out;
  for (const Json& v : list(*this, object, key, most)) {
    const double d = v.is_number() ? v.get<double>() : NAN;
    if (!v.is_null() && !std::isfinite(d)) fail_field(key, "a list of numbers");
    out.push_back(d);
  }
  return out;
}

std::string to_text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tersor::text

// Reading JSON that strangers wrote: nlohmann-json behind limits, and fields with their types.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace tersor::text {

using Json = nlohmann::json;  // keys sorted

// What reading refuses: an Error of kind kInput with the code given (a frame or sentence around it
// is the caller's).
class JsonReader {
 public:
  explicit JsonReader(const char* code) : code_(code) {}

  // An object. Refused are also more than limits::kJsonDepth levels and limits::kJsonValues values.
  Json parse(std::string_view text) const;

  const Json& field(const Json& object, const char* key) const;
  const Json& object(const Json& object, const char* key) const;
  uint64_t count(const Json& object, const char* key) const;  // not negative
  int64_t integer(const Json& object, const char* key, int64_t from, int64_t to) const;
  double number(const Json& object, const char* key) const;  // finite
  float float32(const Json& object, const char* key) const;  // finite as that
  bool boolean(const Json& object, const char* key) const;
  std::string string(const Json& object, const char* key) const;  // at most kNameBytes long
  // Lists of at most `most` items.
  std::vector<uint64_t> counts(const Json& object, const char* key, size_t most) const;
  // null is NaN.
  std::vector<double> numbers_or_null(const Json& object, const char* key, size_t most) const;

  // "'key' is not what": the Error of this reader.
  [[noreturn]] void fail(std::string sentence) const;
  [[noreturn]] void fail_field(const char* key, const char* wanted) const;

 private:
  const char* code_;
};

// Compact, bytes that are not UTF-8 replaced.
std::string to_text(const Json& json);

}  // namespace tersor::text

#include "eval/report/text.h"

#include <fmt/format.h>

#include <cmath>
#include <vector>

namespace tersor::eval {
namespace {

// Length of the UTF-8 sequence at `i`; 0 if there is none.
size_t sequence(std::string_view s, size_t i) {
  const auto byte = [&](size_t k) { return static_cast<unsigned char>(s[k]); };
  const unsigned char first = byte(i);
  if (first < 0x80) return 1;
  const size_t n = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || i + n > s.size()) return 0;
  for (size_t k = 1; k < n; ++k)
    if ((byte(i + k) & 0xC0) != 0x80) return 0;
  if ((first == 0xE0 && byte(i + 1) < 0xA0) || (first == 0xED && byte(i + 1) >= 0xA0) ||
      (first == 0xF0 && byte(i + 1) < 0x90) || (first == 0xF4 && byte(i + 1) >= 0x90))
    return 0;
  return n;
}

bool hidden(std::string_view sequence) {
  // C1 controls; U+200E, U+200F, U+2028..U+202E, U+2066..U+2069, U+FEFF.
  if (sequence.size() == 2) return sequence[0] == '\xC2' && sequence[1] < '\xA0';
  if (sequence.size() != 3) return false;
  const auto c = static_cast<unsigned char>(sequence[2]);
  if (sequence.starts_with("\xE2\x80")) return c == 0x8E || c == 0x8F || (c >= 0xA8 && c <= 0xAE);
  if (sequence.starts_with("\xE2\x81")) return c >= 0xA6 && c <= 0xA9;
  return sequence == "\xEF\xBB\xBF";
}

}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t n = sequence(text, i);
    const std::string_view one = text.substr(i, n);
    const auto first = static_cast<unsigned char>(text[i]);
    i += n == 0 ? 1 : n;
    if (n == 0 || first < 0x20 || first == 0x7F || hidden(one))
      out += first == '\n' || first == '\t' ? " " : "\xEF\xBF\xBD";
    else if (first == '<')
      out += "&lt;";
    else if (first == '>')
      out += "&gt;";
    else if (first == '&')
      out += "&amp;";
    else if (first == '"')
      out += "&quot;";
    else if (first == '\'')
      out += "&#39;";
    else
      out += one;
  }
  return out;
}

std::string shorten(std::string_view text, size_t limit) {
  std::vector<std::string_view> all;
  for (size_t i = 0; i < text.size();) {
    const size_t n = std::max<size_t>(1, sequence(text, i));
    all.push_back(text.substr(i, n));
    i += n;
  }
  if (all.size() <= limit) return std::string(text);
  std::string out;
  const size_t head = limit / 3, tail = limit - 1 - head;
  for (size_t i = 0; i < head; ++i) out += all[i];
  out += "\xE2\x80\xA6";
  for (size_t i = all.size() - tail; i < all.size(); ++i) out += all[i];
  return out;
}

std::string bytes_text(uint64_t bytes) {
  const double b = static_cast<double>(bytes);
  if (bytes < 1000) return fmt::format("{} B", bytes);
  if (b < 1e6) return fmt::format("{:.1f} kB", b / 1e3);
  return b < 1e9 ? fmt::format("{:.1f} MB", b / 1e6) : fmt::format("{:.2f} GB", b / 1e9);
}

std::string decibel_text(double db) {
  if (std::isnan(db)) return "-";
  if (std::isinf(db)) return db > 0 ? "equal" : "no signal";
  return fmt::format("{:.1f} dB", db);
}

std::string percent_text(double share, int digits) {
  return fmt::format("{:.{}f} %", 100 * share, digits);
}

}  // namespace tersor::eval

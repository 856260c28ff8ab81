// Text for the page: private to the room.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tersor::eval {

// Safe between tags and in quoted attributes, whatever the text holds: markup becomes entities,
// bytes that are no UTF-8 and control and bidi characters become U+FFFD.
std::string escape(std::string_view text);
// At most `limit` characters, the middle left out; not escaped.
std::string shorten(std::string_view text, size_t limit);
std::string bytes_text(uint64_t bytes);  // "44.7 MB"
std::string decibel_text(double db);     // "31.4 dB", "equal"
std::string percent_text(double share, int digits = 1);

}  // namespace tersor::eval

#include "base/error.h"

namespace tersor {

Error::Error(ErrorKind kind, std::string code, std::string sentence, std::string help)
    : kind_(kind), code_(std::move(code)), sentence_(std::move(sentence)), help_(std::move(help)) {}

Error& Error::add_frame(std::string frame) {
  frames_.push_back(std::move(frame));
  return *this;
}

Error& Error::suggest(std::string help) {
  if (help_.empty()) help_ = std::move(help);
  return *this;
}

std::string Error::describe() const {
  std::string text = "error[" + code_ + "]: " + sentence_;
  for (size_t i = 0; i < frames_.size(); ++i) text += (i ? ", " : "\n  at: ") + frames_[i];
  if (!help_.empty()) text += "\n  help: " + help_;
  return text;
}

}  // namespace tersor

namespace tersor::base {
namespace {

constexpr size_t kMaxPrinted = 256;

// True for code points that could steer a terminal or reorder text: C1 controls and bidi marks.
bool steers(uint32_t c) {
  return (c >= 0x80 && c < 0xa0) || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
         (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

// Length of a valid UTF-8 sequence at text[i] and its code point, or 0.
size_t decode(std::string_view text, size_t i, uint32_t& point) {
  const auto lead = static_cast<unsigned char>(text[i]);
  const size_t length = lead < 0x80   ? 1
                        : lead < 0xc2 ? 0
                        : lead < 0xe0 ? 2
                        : lead < 0xf0 ? 3
                        : lead < 0xf5 ? 4
                                      : 0;
  if (length == 0 || length > text.size() - i) return 0;
  point = length == 1 ? lead : lead & (0xffu >> (length + 1));
  for (size_t k = 1; k < length; ++k) {
    const auto c = static_cast<unsigned char>(text[i + k]);
    if ((c & 0xc0) != 0x80) return 0;
    point = (point << 6) | (c & 0x3fu);
  }
  return length;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (i >= kMaxPrinted) return out + "...";
    uint32_t point = 0;
    const size_t length = decode(text, i, point);
    if (length == 0 || point < 0x20 || point == 0x7f || steers(point)) {
      const size_t bytes = length == 0 ? 1 : length;
      for (size_t k = 0; k < bytes; ++k)
        out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[i + k]));
      i += bytes;
    } else {
      out.append(text.substr(i, length));
      i += length;
    }
  }
  return out;
}

std::string quoted(std::string_view text) { return "'" + printable(text) + "'"; }

}  // namespace tersor::base

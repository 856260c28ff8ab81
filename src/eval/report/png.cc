// PNG without compression: thumbnails are small, and no library is needed [PNG specification, third
// edition, sections 5 and 10; RFC 1950, RFC 1951 section 3.2.4].
#include <array>

#include "base/error.h"
#include "eval/report/charts.h"

namespace tersor::eval {
namespace {

void big_endian(std::string& out, uint32_t v) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(v >> shift & 0xFF);
}

uint32_t crc32(const std::string& bytes) {
  static const std::array<uint32_t, 256> kTable = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int k = 0; k < 8; ++k) c = c & 1 ? 0xEDB88320U ^ c >> 1 : c >> 1;
      t[i] = c;
    }
    return t;
  }();
  uint32_t c = 0xFFFFFFFFU;
  for (char b : bytes) c = kTable[(c ^ static_cast<unsigned char>(b)) & 0xFF] ^ c >> 8;
  return c ^ 0xFFFFFFFFU;
}

void chunk(std::string& out, const std::string& name, const std::string& data) {
  big_endian(out, static_cast<uint32_t>(data.size()));
  const std::string body = name + data;
  out += body;
  big_endian(out, crc32(body));
}

std::string stored(const std::string& raw) {
  constexpr size_t kBlock = 65535;
  std::string out = "\x78\x01";
  for (size_t at = 0; at < raw.size(); at += kBlock) {
    const size_t n = std::min(kBlock, raw.size() - at);
    out += at + n == raw.size() ? '\1' : '\0';
    for (const size_t v : {n, ~n})
      for (int shift : {0, 8}) out += static_cast<char>(v >> shift & 0xFF);
    out.append(raw, at, n);
  }
  uint32_t a = 1, b = 0;
  for (char c : raw) {
    a = (a + static_cast<unsigned char>(c)) % 65521;
    b = (b + a) % 65521;
  }
  big_endian(out, b << 16 | a);
  return out;
}

std::string base64(const std::string& bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t v = 0;
    for (size_t k = 0; k < 3; ++k)
      v = v << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (size_t k = 0; k < 4; ++k)
      out += i + k <= bytes.size() ? kDigits[v >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

}  // namespace

std::string picture_source(int width, int height, int channels,
                           const std::vector<uint8_t>& pixels) {
  const auto line = static_cast<size_t>(width) * static_cast<size_t>(channels);
  std::string raw;
  for (size_t y = 0; y < static_cast<size_t>(height); ++y) {
    raw += '\0';  // filter: none
    for (size_t i = 0; i < line; ++i) raw += static_cast<char>(pixels.at(y * line + i));
  }
  std::string header;
  big_endian(header, static_cast<uint32_t>(width));
  big_endian(header, static_cast<uint32_t>(height));
  header += {8, static_cast<char>(channels == 3 ? 2 : 0), 0, 0, 0};
  std::string png = "\x89PNG\r\n\x1a\n";
  chunk(png, "IHDR", header);
  chunk(png, "IDAT", stored(raw));
  chunk(png, "IEND", "");
  return "data:image/png;base64," + base64(png);
}

}  // namespace tersor::eval

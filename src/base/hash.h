// SHA-256, to name files by their contents [FIPS 180-4].
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace tersor::base {

// 64 hexadecimal digits.
std::string sha256(std::string_view bytes);

// The same of bytes that come in pieces.
class Sha256 {
 public:
  void add(std::string_view bytes);
  std::string digits() const;

 private:
  std::array<uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::string open_;  // less than a block
  uint64_t length_ = 0;
};

}  // namespace tersor::base

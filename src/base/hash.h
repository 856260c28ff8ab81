// SHA-256, to name files by their contents [FIPS 180-4].
#pragma once

#include <string>
#include <string_view>

namespace tersor::base {

// 64 hexadecimal digits.
std::string sha256(std::string_view bytes);

}  // namespace tersor::base

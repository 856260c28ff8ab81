// The two decoders behind decode_image(): private to the room.
#pragma once

#include <string_view>

#include "calib/image.h"

namespace tersor::calib {

enum class Decoded : uint8_t { kOk, kBad, kTooLarge };

// On failure `message` says why; the image is then in no particular state.
Decoded decode_jpeg(std::string_view bytes, Image& image, std::string& message);
Decoded decode_png(std::string_view bytes, Image& image, std::string& message);

}  // namespace tersor::calib

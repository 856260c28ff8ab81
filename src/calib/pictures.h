// Streams of 8-bit pixels as a source: private to the room.
#pragma once

#include <memory>
#include <optional>

#include "calib/source.h"
#include "calib/stream.h"

namespace tersor::calib {

struct PixelShape {
  int64_t count = 0;
  int height = 0, width = 0, channels = 0;
  bool planar = false;  // one plane per channel
};
// Of [N, H, W], [N, H, W, C] or [N, C, H, W] with one or three channels.
std::optional<PixelShape> pixel_shape(const Dims& dims);
// The stream stands at the first pixel.
std::unique_ptr<Source> open_pixels(std::unique_ptr<ByteStream> stream, const PixelShape& shape,
                                    const DatasetSpec& spec, const InputSpec& input);

}  // namespace tersor::calib

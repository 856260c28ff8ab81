// What the Winograd convolutions share: which shapes they are for, and where the pixels under a
// tile lie.
#pragma once

#include <algorithm>

#include "kernels/conv_common/conv.h"

namespace tersor::kernels {

// 3x3, stride 1, dilation 1, one group.
inline bool is_plain_3x3(const ConvShape& s) noexcept {
  return s.kh == 3 && s.kw == 3 && s.stride_h == 1 && s.stride_w == 1 && s.dilation_h == 1 &&
         s.dilation_w == 1 && s.groups == 1;
}

// The size of equal blocks of `tiles`, of which `most` or less fit; at least `least` (> 0) do.
inline int64_t block_of(int64_t tiles, int64_t most, int64_t least) noexcept {
  const int64_t fit = std::max(least, most);
  const int64_t blocks = (tiles + fit - 1) / fit;
  return blocks > 0 ? (tiles + blocks - 1) / blocks : 0;
}

// Tile `i` of kOut x kOut outputs, counted over all images: its first output, and pointers to the
// kIn x kIn pixels it reads, `padding` outside of the image.
template <int kOut>
struct TileAt {
  int64_t ox, oy, image;

  static int64_t count(const ConvShape& s) noexcept {
    return s.n * ((s.oh + kOut - 1) / kOut) * ((s.ow + kOut - 1) / kOut);
  }
  TileAt(const ConvShape& s, int64_t i) noexcept {
    const int64_t across = (s.ow + kOut - 1) / kOut, down = (s.oh + kOut - 1) / kOut;
    ox = i % across * kOut;
    oy = i / across % down * kOut;
    image = i / (across * down);
  }
  // The index of the first output among all pixels.
  int64_t pixel(const ConvShape& s) const noexcept { return (image * s.oh + oy) * s.ow + ox; }

  template <int kIn, typename T>
  void pixels(const ConvShape& s, const T* data, const T* padding,
              const T* (&to)[kIn * kIn]) const noexcept {
    const int64_t x0 = ox - s.pad_left, y0 = oy - s.pad_top;
    const T* first = data + image * s.h * s.w * s.c;
    for (int64_t y = y0; y < y0 + kIn; ++y)
      for (int64_t x = x0; x < x0 + kIn; ++x) {
        const bool inside = y >= 0 && y < s.h && x >= 0 && x < s.w;
        to[(y - y0) * kIn + x - x0] = inside ? first + (y * s.w + x) * s.c : padding;
      }
  }
};

}  // namespace tersor::kernels

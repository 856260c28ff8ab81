#include "kernels/dwconv/slide.h"

#include <algorithm>
#include <cstring>

#include "kernels/dwconv/columns.h"

namespace tersor::kernels::dw_slide {
namespace {

// At stride 1 the two rows of outputs have weights of their own.
int64_t sets(const ConvShape& s) noexcept { return s.stride_w == 1 ? 2 : 1; }

int64_t block_bytes(const DwconvU8S8Row& row, const ConvShape& s) noexcept {
  return (3 * 4 + sets(s) * 3 * 4) * row.block;  // constants and weights
}

}  // namespace

bool fits(const DwconvU8S8Row& row, const ConvShape& s) noexcept {
  return row.slide && square_window(s, 3) && s.c >= row.block;
}

size_t packed_bytes(const DwconvU8S8Row& row, const ConvShape& s) noexcept {
  return static_cast<size_t>(blocks(s.c, row.block) * block_bytes(row, s));
}

void pack(const DwconvU8S8Row& row, const ConvShape& s, const void* w, const DwconvU8S8Constants& k,
          std::byte* packed) noexcept {
  const int64_t block = row.block, bytes = block_bytes(row, s);
  const int32_t a_zero = k.za + (k.a_signed ? 128 : 0);
  std::memset(packed, 0, dw_slide::packed_bytes(row, s));
  for (int64_t b = 0; b < blocks(s.c, block); ++b, packed += bytes) {
    const int64_t start = std::min(b * block, s.c - block);
    auto* bias = reinterpret_cast<int32_t*>(packed);
    auto* scale = reinterpret_cast<float*>(bias + block);
    float* fbias = scale + block;
    auto* weights = reinterpret_cast<int8_t*>(fbias + block);
    for (int64_t i = 0; i < block; ++i) {
      const int64_t c = start + i, place = zip_place(i, block);
      auto sum = static_cast<uint32_t>(k.bias ? k.bias[c] : 0);
      for (int64_t ky = 0; ky < 3; ++ky)
        for (int64_t kx = 0; kx < 3; ++kx) {
          const int32_t value = weight(w, k, 9, c, ky * 3 + kx);
          sum -= static_cast<uint32_t>(a_zero * value);
          for (int64_t r = 0; r < sets(s); ++r)
            weights[((r * 3 + kx) * block + place) * 4 + ky + r] = static_cast<int8_t>(value);
        }
      bias[place] = static_cast<int32_t>(sum);
      scale[place] = k.scale ? k.scale[c] : 0.0f;
      fbias[place] = k.fbias ? k.fbias[c] : 0.0f;
    }
  }
}

size_t scratch_bytes(const ConvShape& s) noexcept {
  return two_rows_scratch_bytes(s, line_width(s, s.ow));
}

void run(const DwconvU8S8Row& row, const ConvShape& s, const DwconvU8S8Tile& common,
         const DwconvU8S8Call& call, Range output_rows, std::byte* scratch) noexcept {
  constexpr int64_t kWeightBytes = 16 << 10;
  run_two_rows({row.block, block_bytes(row, s), line_width(s, s.ow), kWeightBytes}, s, common, call,
               output_rows, scratch, row.slide);
}

}  // namespace tersor::kernels::dw_slide

#include "kernels/dwconv/pairs.h"

#include <algorithm>
#include <cstring>

#include "kernels/dwconv/columns.h"

namespace tersor::kernels::dw_pairs {
namespace {

int64_t channels_of(const DwconvU8S8Row& row) noexcept { return row.block / 2; }

int64_t taps(const ConvShape& s) noexcept { return (s.kw + 1) / 2; }

int64_t sets(const ConvShape& s) noexcept { return s.stride_w == 1 ? 2 : 1; }

int64_t block_bytes(const DwconvU8S8Row& row, const ConvShape& s) noexcept {
  const int64_t channels = channels_of(row);
  return channels * (3 * 4 + sets(s) * s.kw * taps(s) * 4);
}

// Columns of the input that a row of outputs reads, two at least.
int64_t width(const ConvShape& s) noexcept { return line_width(s, std::max<int64_t>(s.ow, 2)); }

}  // namespace

bool fits(const DwconvU8S8Row& row, const ConvShape& s) noexcept {
  return row.pairs && (square_window(s, 3) || square_window(s, 5)) && s.c >= channels_of(row);
}

size_t packed_bytes(const DwconvU8S8Row& row, const ConvShape& s) noexcept {
  return static_cast<size_t>(blocks(s.c, channels_of(row)) * block_bytes(row, s));
}

void pack(const DwconvU8S8Row& row, const ConvShape& s, const void* w, const DwconvU8S8Constants& k,
          std::byte* packed) noexcept {
  const int64_t channels = channels_of(row), bytes = block_bytes(row, s);
  std::memset(packed, 0, dw_pairs::packed_bytes(row, s));
  for (int64_t b = 0; b < blocks(s.c, channels); ++b) {
    const int64_t start = std::min(b * channels, s.c - channels);
    auto* bias = reinterpret_cast<int32_t*>(packed + b * bytes);
    auto* scale = reinterpret_cast<float*>(bias + channels);
    float* fbias = scale + channels;
    auto* words = reinterpret_cast<int16_t*>(fbias + channels);
    for (int64_t i = 0; i < channels; ++i) {
      const int64_t c = start + i;
      const int place = dw_pairs_place(static_cast<int>(i), static_cast<int>(channels / 2));
      auto sum = static_cast<uint32_t>(k.bias ? k.bias[c] : 0);
      for (int64_t ky = 0; ky < s.kh; ++ky)
        for (int64_t kx = 0; kx < s.kw; ++kx) {
          const int32_t value = weight(w, k, s.positions(), c, ky * s.kw + kx);
          sum -= static_cast<uint32_t>(k.za * value);
          for (int64_t set = 0; set < sets(s); ++set) {
            const int64_t row_at = ky + set;  // within the rows that the set's outputs read
            const int64_t tap = (set * s.kw + kx) * taps(s) + row_at / 2;
            words[(tap * channels + place) * 2 + row_at % 2] = static_cast<int16_t>(value);
          }
        }
      bias[place] = static_cast<int32_t>(sum);
      scale[place] = k.scale ? k.scale[c] : 0.0f;
      fbias[place] = k.fbias ? k.fbias[c] : 0.0f;
    }
  }
}

size_t scratch_bytes(const ConvShape& s) noexcept { return two_rows_scratch_bytes(s, width(s)); }

void run(const DwconvU8S8Row& row, const ConvShape& s, const DwconvU8S8Tile& common,
         const DwconvU8S8Call& call, Range output_rows, std::byte* scratch) noexcept {
  constexpr int64_t kWeightBytes = 12 << 10;
  run_two_rows({channels_of(row), block_bytes(row, s), width(s), kWeightBytes}, s, common, call,
               output_rows, scratch, row.pairs);
}

}  // namespace tersor::kernels::dw_pairs

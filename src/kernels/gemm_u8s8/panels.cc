#include "kernels/gemm_u8s8/panels.h"

#include <algorithm>

namespace tersor::kernels::panels {
namespace {

// Rows of a block and what they become are to stay in L1 where the weights stay in L2: each panel
// writes only a part of every line. Where weights come from afar, more rows use them at once.
constexpr int64_t kL1Bytes = 24 << 10, kL2Bytes = 128 << 10, kNearWeights = 256 << 10;

}  // namespace

bool far_weights(const GemmU8S8Weights& w) noexcept {
  return w.group_panels() * packed_panel_bytes(*w.row, w.positions, w.k) > kNearWeights;
}

int64_t block_rows(const GemmU8S8Weights& w, int64_t tile_bytes) noexcept {
  const int64_t mr = w.row->mr, tile = std::max<int64_t>(1, tile_bytes);
  if (far_weights(w)) return std::clamp<int64_t>(kL2Bytes / tile, 1, 256) * mr;
  return std::clamp<int64_t>(kL1Bytes / (tile + mr * w.n), 4, 64) * mr;
}

int64_t even_block(const GemmU8S8Weights& w, int64_t tile_bytes, int64_t rows) noexcept {
  const int64_t most = block_rows(w, tile_bytes), blocks = (rows + most - 1) / most;
  return round_up((rows + blocks - 1) / blocks, w.row->mr);
}

void sum_rows(int64_t positions, int64_t k, const uint8_t* const* a, int64_t pitch, bool a_signed,
              int more, int rows, int32_t* sums) noexcept {
  const uint8_t flip = a_signed ? 0x80 : 0;
  const auto start = static_cast<uint32_t>(positions * k * more);
  for (int m = 0; m < rows; ++m) {
    uint32_t sum = start;
    for (int64_t p = 0; p < positions; ++p) {
      const uint8_t* row = a[p * pitch + m];
      for (int64_t i = 0; i < k; ++i) sum += static_cast<uint8_t>(row[i] ^ flip);
    }
    sums[m] = static_cast<int32_t>(sum);
  }
}

const int8_t* aim(const GemmU8S8Weights& w, const GemmU8S8Call& call, int64_t m0, int64_t panel,
                  int64_t end, GemmU8S8Panel& p) noexcept {
  const GemmU8S8Epilogue& e = call.epilogue;
  const int64_t nr = w.row->nr, g = panel / w.group_panels();
  const int64_t n = (panel - g * w.group_panels()) * nr;
  const int64_t bytes = packed_panel_bytes(*w.row, w.positions, w.k);
  const int8_t* packed = w.data + panel * bytes;
  GemmU8S8Tile& t = p.tile;
  t.n0 = g * w.n + n;
  t.cols = static_cast<int>(std::min(nr, w.n - n));
  t.out = static_cast<std::byte*>(call.out) + (m0 * call.out_stride + t.n0) * element_bytes(e.kind);
  t.residual = e.residual ? e.residual + m0 * e.residual_stride + t.n0 : nullptr;
  p.next = packed + bytes;
  p.next_bytes = far_weights(w) && panel + 1 < end ? bytes : 0;
  return packed;
}

}  // namespace tersor::kernels::panels

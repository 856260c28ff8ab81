// Weights and computed right operands as panels of quads.
#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/conv_common/taps.h"
#include "kernels/gemm_u8s8/fours.h"
#include "kernels/gemm_u8s8/gemm_u8s8.h"
#include "kernels/gemm_u8s8/magnitudes.h"
#include "kernels/gemm_u8s8/quads.h"

namespace tersor::kernels {
namespace {

// A panel on its way: elements `from[n * n_stride + p * position_stride + k * k_stride]` of `cols`
// columns, to quads [quad][nr].
struct Panel {
  const MatrixLayout* layout;
  const uint8_t* from;
  int64_t nr, cols;
  uint8_t flip;   // of the elements' bits
  int8_t* out;    // zeros
  int32_t* sums;  // [cols], or null
};

template <int kSome, bool kTogether>
uint32_t quad_of(const uint8_t* from, int64_t k_stride) noexcept {
  uint32_t quad = 0;
  if constexpr (kTogether) {
    std::memcpy(&quad, from, kSome);
  } else {
    for (int j = 0; j < kSome; ++j) quad |= static_cast<uint32_t>(from[j * k_stride]) << (8 * j);
  }
  return quad;
}
// Of four int8.
int32_t sum_of(uint32_t quad) noexcept {
  quad ^= 0x80808080u;
  const uint32_t pairs = (quad & 0x00ff00ffu) + (quad >> 8 & 0x00ff00ffu);
  return static_cast<int32_t>((pairs & 0xffffu) + (pairs >> 16)) - 4 * 128;
}

// kSome elements of k at `from`, to the bytes from `place` on of the quads at `to`.
template <int kSome, bool kTogether>
void pack_columns(const Panel& p, const uint8_t* from, int64_t place, int8_t* to) noexcept {
  const int64_t n_stride = p.layout->n_stride, k_stride = p.layout->k_stride;
  const uint32_t flip = p.flip * (0x01010101u >> (8 * (4 - kSome)));
  for (int64_t n = 0; n < p.cols; ++n, from += n_stride, to += 4) {
    uint32_t quad = quad_of<kSome, kTogether>(from, k_stride) ^ flip;
    if (p.sums) p.sums[n] += sum_of(quad);
    if constexpr (kSome < 4) {
      uint32_t there;
      std::memcpy(&there, to, 4);
      quad = there | quad << (8 * place);
    }
    std::memcpy(to, &quad, 4);
  }
}
template <int kSome>
void pack_some(const Panel& p, const uint8_t* from, int64_t place, int8_t* to) noexcept {
  p.layout->k_stride == 1 ? pack_columns<kSome, true>(p, from, place, to)
                          : pack_columns<kSome, false>(p, from, place, to);
}

// pack_some<4> of neighbours, a multiple of 16: in vectors of the compiler's, so that
// computed operands are packed as fast as they are read.
void zip_lines(const Panel& p, const uint8_t* from, int8_t* to) noexcept {
  typedef uint8_t Bytes __attribute__((vector_size(16), aligned(1), may_alias));
  const auto low = [](Bytes x, Bytes y) -> Bytes {
    return __builtin_shufflevector(x, y, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  };
  const auto high = [](Bytes x, Bytes y) -> Bytes {
    return __builtin_shufflevector(x, y, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                   31);
  };
  for (int64_t n = 0; n < p.cols; n += 16, to += 64) {
    Bytes a[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i)
      a[i] = *reinterpret_cast<const Bytes*>(from + i * p.layout->k_stride + n) ^ p.flip;
    // Even lines zipped with even ones first: then two zips of bytes make quads in order.
    const Bytes l02 = low(a[0], a[2]), l13 = low(a[1], a[3]);
    const Bytes h02 = high(a[0], a[2]), h13 = high(a[1], a[3]);
    const Bytes quads[4] = {low(l02, l13), high(l02, l13), low(h02, h13), high(h02, h13)};
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      *reinterpret_cast<Bytes*>(to + 16 * i) = quads[i];
      if (p.sums) add_quads(to + 16 * i, p.sums + n + 4 * i);
    }
  }
}

// Nine taps side by side and whole quads of k, of columns from the first on; how many of them are
// packed.
int64_t pack_taps(const Panel& p) noexcept {
  const MatrixLayout& l = *p.layout;
  if (l.positions != 9 || l.position_stride != 1 || l.k_stride != 9 || l.k % 4 != 0) return 0;
  const int64_t columns = p.cols / Taps::kColumns * Taps::kColumns, quads = l.k / 4;
  const auto flip = static_cast<int16_t>(p.flip * 0x0101);
  for (int64_t quad = 0; quad < quads; ++quad)
    for (int64_t n = 0; n < columns; n += Taps::kColumns) {
      const uint8_t* from = p.from + n * l.n_stride + quad * 36;
      Taps first, second;
      first.load(from, l.n_stride);
      second.load(from + 18, l.n_stride);
      for (int64_t i = 0; i < 9; ++i) {
        first.of[i] ^= flip;
        second.of[i] ^= flip;
        const auto low = Taps::low(first.of[i], second.of[i]);
        const auto high = Taps::high(first.of[i], second.of[i]);
        int8_t* to = p.out + ((i * quads + quad) * p.nr + n) * 4;
        std::memcpy(to, &low, 16);
        std::memcpy(to + 16, &high, 16);
      }
      if (!p.sums) continue;
      first.add_to(p.sums + n);
      second.add_to(p.sums + n);
    }
  return columns;
}

// Elements [begin, end) of k of position i.
void pack_range(const Panel& p, bool dense, int64_t i, int64_t begin, int64_t end) noexcept {
  const MatrixLayout& l = *p.layout;
  const bool zips = l.n_stride == 1 && p.cols % 16 == 0;
  const int64_t first = dense ? i * l.k : i * ((l.k + 3) / 4) * 4;
  for (int64_t k = begin, some; k < end; k += some) {
    const int64_t at = first + k;
    some = std::min(4 - at % 4, end - k);
    const uint8_t* from = p.from + i * l.position_stride + k * l.k_stride;
    int8_t* to = p.out + at / 4 * p.nr * 4;
    if (zips && some == 4) {
      zip_lines(p, from, to);
      continue;
    }
    constexpr std::array kPack{pack_some<1>, pack_some<2>, pack_some<3>, pack_some<4>};
    kPack[static_cast<size_t>(some - 1)](p, from, at % 4, to);
  }
}

void pack_panel(Panel p, bool dense) noexcept {
  if (const int64_t done = pack_taps(p); done > 0) {
    p.from += done * p.layout->n_stride;
    p.cols -= done;
    if (p.cols == 0) return;
    p.out += done * 4;
    if (p.sums) p.sums += done;
  }
  // Where the positions of a channel lie together, all are taken while their lines are near.
  const MatrixLayout& l = *p.layout;
  const int64_t block = l.position_stride < l.k_stride ? 16 : l.k;
  for (int64_t k = 0; k < l.k; k += block)
    for (int64_t i = 0; i < l.positions; ++i) pack_range(p, dense, i, k, std::min(k + block, l.k));
}

int8_t* quads_of(const GemmU8S8Row& row, const MatrixLayout& l, int8_t* panel) noexcept {
  switch (row.form) {
    case GemmU8S8Form::magnitudes:
      return magnitudes::quads_of(row, l.packed_positions(), l.packed_k(), panel);
    case GemmU8S8Form::fours:
      return fours::quads_of(l.packed_positions(), l.packed_k(), panel);
    default:
      return panel;
  }
}

}  // namespace

void pack(const GemmU8S8Row& row, const MatrixLayout& l, const void* b, bool b_signed,
          int8_t* packed, int32_t* column_sums) noexcept {
  pack_panels(row, l, b, b_signed, {0, l.groups * ((l.n + row.nr - 1) / row.nr)}, packed,
              column_sums);
}

void pack_panels(const GemmU8S8Row& row, const MatrixLayout& l, const void* b, bool b_signed,
                 Range panels, int8_t* packed, int32_t* column_sums) noexcept {
  const int64_t nr = row.nr, group_panels = (l.n + nr - 1) / nr;
  const int64_t size = packed_panel_bytes(row, l.packed_positions(), l.packed_k());
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const int64_t g = panel / group_panels, n0 = panel % group_panels * nr;
    int8_t* start = packed + panel * size;
    std::fill(start, start + size, int8_t{0});
    Panel p;
    p.layout = &l;
    p.from = static_cast<const uint8_t*>(b) + g * l.group_stride + n0 * l.n_stride;
    p.nr = nr;
    p.cols = std::min(nr, l.n - n0);
    p.flip = b_signed ? 0 : 0x80;
    p.out = quads_of(row, l, start);
    p.sums = column_sums ? column_sums + g * l.n + n0 : nullptr;
    if (p.sums) std::fill(p.sums, p.sums + p.cols, 0);
    pack_panel(p, l.flatten || row.magnitudes() || row.form == GemmU8S8Form::tiles);
    if (row.magnitudes()) magnitudes::arrange(row, l.packed_positions(), l.packed_k(), start);
    if (row.form == GemmU8S8Form::fours)
      fours::find_runs(row, l.packed_positions(), l.packed_k(), start);
  }
}

}  // namespace tersor::kernels

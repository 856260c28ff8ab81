#include "kernels/gemm_u8s8/fours.h"

#include <algorithm>
#include <array>

#include "kernels/gemm_u8s8/panels.h"

namespace tersor::kernels {
namespace fours {
namespace {

constexpr int kMost = 128;  // of four weights of one sign

// Whether two quads of `nr` columns are a couple; nr is a multiple of 4. In vectors of the
// compiler's.
bool couple(const int8_t* first, const int8_t* second, int64_t nr) noexcept {
  typedef int8_t Bytes __attribute__((vector_size(16), aligned(1), may_alias));
  typedef uint8_t Magnitudes __attribute__((vector_size(16)));
  typedef uint16_t Words __attribute__((vector_size(16)));
  const auto halves = [](Magnitudes magnitudes) {
    const auto w = __builtin_bit_cast(Words, magnitudes);
    return Words((w & 0xff) + (w >> 8));
  };
  Words over{};
  for (int64_t i = 0; i < nr * 4; i += 16) {
    const Bytes x = *reinterpret_cast<const Bytes*>(first + i);
    const Bytes y = *reinterpret_cast<const Bytes*>(second + i);
    const Bytes x_down = x >> 7, y_down = y >> 7;  // all ones where negative
    const Words up = halves(Magnitudes(x & ~x_down)) + halves(Magnitudes(y & ~y_down));
    const Words down =
        halves(-Magnitudes(x) & Magnitudes(x_down)) + halves(-Magnitudes(y) & Magnitudes(y_down));
    over |= Words(up > kMost) | Words(down > kMost);
  }
  const auto parts = __builtin_bit_cast(std::array<uint64_t, 2>, over);
  return (parts[0] | parts[1]) == 0;
}

}  // namespace

int64_t panel_bytes(const GemmU8S8Row& row, int64_t positions, int64_t k) noexcept {
  return head_bytes(positions, k) + positions * ((k + 3) / 4) * row.nr * 4;
}

void find_runs(const GemmU8S8Row& row, int64_t positions, int64_t k, int8_t* panel) noexcept {
  const int8_t* quad = quads_of(positions, k, panel);
  auto* run = reinterpret_cast<int32_t*>(panel);
  const int64_t whole = k / 4, bytes = int64_t{row.nr} * 4;
  for (int64_t p = 0; p < positions; ++p, quad += (k + 3) / 4 * bytes) {
    const auto fits = [&](int64_t q) {
      return q + 1 < whole && couple(quad + q * bytes, quad + (q + 1) * bytes, row.nr);
    };
    for (int64_t q = 0;;) {
      int32_t couples = 0, singles = 0;
      for (; fits(q); q += 2) ++couples;
      *run++ = couples;
      if (q == whole) break;
      for (; q < whole && !fits(q); ++q) ++singles;
      *run++ = singles;
      if (q == whole) break;
    }
  }
}

namespace {

struct Scratch {
  const void** pointers;
  int32_t* sums;
  std::byte* gather;
};

int64_t tile_bytes(const GemmU8S8Weights& w) noexcept { return w.row->mr * w.positions * w.k; }

int64_t cut(const GemmU8S8Weights& w, std::byte* scratch, Scratch& s) noexcept {
  const int64_t rows = panels::block_rows(w, tile_bytes(w));
  panels::Parts parts{scratch};
  s.pointers = parts.take<const void*>(rows * w.positions);
  s.sums = parts.take<int32_t>(rows);
  // Rows whose positions are gathered to one, or of lines (conv.h), with a whole vector behind.
  s.gather = parts.take<std::byte>(
      w.positions == 1 ? rows * static_cast<int64_t>(copied_pitch(static_cast<size_t>(w.k))) : 0);
  return parts.at;
}

}  // namespace

size_t scratch_bytes(const GemmU8S8Weights& w) noexcept {
  Scratch s;
  return static_cast<size_t>(cut(w, nullptr, s));
}

void run(const GemmU8S8Weights& w, const GemmU8S8Call& call, Range m, Range columns,
         std::byte* scratch) noexcept {
  Scratch s;
  cut(w, scratch, s);
  GemmU8S8Panel p = panels::panel_of(call, s.sums);
  GemmU8S8Tile& t = p.tile;
  t.a = reinterpret_cast<const uint8_t* const*>(s.pointers);
  t.positions = w.positions;
  t.k = w.k;
  const int64_t block = panels::even_block(w, tile_bytes(w), m.size());
  panels::each_group(w, call, columns, [&](Range some, int64_t offset) {
    for (int64_t m0 = m.begin; m0 < m.end; m0 += block) {
      p.rows = p.pitch = std::min(block, m.end - m0);
      const int rows = static_cast<int>(p.rows);
      fill_rows(call.a, m0, rows, rows, 1, offset, s.pointers, s.gather);
      if (t.row_sums)
        panels::sum_rows(w.positions, w.k, t.a, p.pitch, call.a_signed, 0, rows, s.sums);
      for (int64_t panel = some.begin; panel < some.end; ++panel) {
        const int8_t* packed = panels::aim(w, call, m0, panel, some.end, p);
        p.runs = reinterpret_cast<const int32_t*>(packed);
        t.b = quads_of(w.positions, w.k, packed);
        w.row->panel(p);
      }
    }
  });
}

}  // namespace fours

bool adds_in_fours(const MatrixLayout& l, const void* b, bool b_signed) noexcept {
  // What is looked at: some columns, more where they are short.
  constexpr int64_t kWeights = 16384, kFewestColumns = 16, kMostColumns = 64;
  constexpr double kTooMany = 0.02;  // of the groups of four of a column
  const auto* from = static_cast<const uint8_t*>(b);
  const uint8_t flip = b_signed ? 0 : 0x80;
  const int64_t positions = l.packed_positions(), length = l.packed_k();
  const int64_t some =
      std::clamp(kWeights / std::max<int64_t>(1, positions * length), kFewestColumns, kMostColumns);
  const int64_t columns = l.groups * l.n, step = std::max<int64_t>(1, columns / some);
  const int64_t looked_at = (columns + step - 1) / step;
  auto left = static_cast<int64_t>(kTooMany * static_cast<double>(looked_at * positions) *
                                   static_cast<double>(length / 8 * 2));
  for (int64_t c = 0; c < columns; c += step) {
    const uint8_t* column = from + c / l.n * l.group_stride + c % l.n * l.n_stride;
    for (int64_t p = 0; p < positions; ++p, column += l.position_stride) {
      // Flattened, the positions follow each other.
      const auto weight = [&](int64_t k) {
        const int64_t at =
            l.flatten ? k / l.k * l.position_stride + k % l.k * l.k_stride : k * l.k_stride;
        return int{static_cast<int8_t>(column[at] ^ flip)};
      };
      for (int64_t k = 0; k + 8 <= length; k += 8)
        for (int64_t half : {k, k + 2}) {
          int up = 0, down = 0;
          for (int64_t at : {half, half + 1, half + 4, half + 5}) {
            const int w = weight(at);
            up += std::max(w, 0), down += std::min(w, 0);
          }
          if ((up > fours::kMost || down < -fours::kMost) && --left < 0) return false;
        }
    }
  }
  return true;
}

}  // namespace tersor::kernels

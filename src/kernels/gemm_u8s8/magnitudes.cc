#include "kernels/gemm_u8s8/magnitudes.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/gemm_u8s8/panels.h"
#include "kernels/gemm_u8s8/quads.h"

namespace tersor::kernels::magnitudes {
namespace {

using panels::round_up;

constexpr int kMostNr = 32;

// The bytes of a vector: two of int32 make a panel's width.
int64_t vector_bytes(const GemmU8S8Row& row) noexcept { return int64_t{row.nr} * 2; }

int64_t quad_count(int64_t positions, int64_t k) noexcept { return (positions * k + 3) / 4; }

int64_t head_bytes(const GemmU8S8Row& row, int64_t positions, int64_t k) noexcept {
  return round_up((1 + 2 * quad_count(positions, k) + row.nr) * 4, 64);
}

// Of one prepared tile.
int64_t tile_bytes(const GemmU8S8Row& row, int64_t positions, int64_t k) noexcept {
  return round_up(quad_count(positions, k) * 4, vector_bytes(row)) * row.mr * 2;
}

int32_t offset_of(const GemmU8S8Row& row, int64_t quad) noexcept {
  const int64_t bytes = vector_bytes(row), lanes = bytes / 4;
  return static_cast<int32_t>(quad / lanes * row.mr * 2 * bytes + quad % lanes * 4);
}

// How far the sums of two products reach in each half quad of each column, of the two numbers of
// the header. In vectors of the compiler's.
struct Reach {
  typedef int16_t Words __attribute__((vector_size(16), aligned(1), may_alias));
  typedef uint16_t Sums __attribute__((vector_size(16)));
  int64_t quad;
  Sums up[kMostNr / 4], down[kMostNr / 4];

  void measure(const int8_t* w, int64_t nr) noexcept {
    for (int64_t v = 0; v < nr / 4; ++v) {
      const Words pairs = *reinterpret_cast<const Words*>(w + v * 16);
      up[v] = down[v] = Sums{};
      for (const Words x : {Words(Words(pairs << 8) >> 8), Words(pairs >> 8)}) {
        const Words negative = x >> 15;  // all ones
        const auto size = Sums(x ^ negative), next = Sums(size + 1);
        up[v] += (size << 7) - (size & ~Sums(negative));
        down[v] += (next << 7) - (next & Sums(negative));
      }
    }
  }
  // Sums of two do not pass 32767 and 32768, those of four are positive and less than 2^16 + 1.
  bool fits(const Reach& other, int64_t nr) const noexcept {
    Sums over{};
    for (int64_t v = 0; v < nr / 4; ++v)
      over |= (up[v] + other.up[v]) | (down[v] + other.down[v] - 1);
    const auto parts = __builtin_bit_cast(std::array<uint64_t, 2>, over);
    return ((parts[0] | parts[1]) & 0x8000800080008000) == 0;
  }
};

// Moves element from[i], of `bytes` bytes, to place i. Leaves ~from[i] in from[i].
void permute(int8_t* data, int64_t bytes, int32_t* from, int64_t count) noexcept {
  int8_t held[kMostNr * 4];
  for (int64_t start = 0; start < count; ++start) {
    if (from[start] < 0) continue;
    std::memcpy(held, data + start * bytes, static_cast<size_t>(bytes));
    int64_t i = start;
    for (int64_t next = from[i]; next != start; next = from[i]) {
      std::memcpy(data + i * bytes, data + next * bytes, static_cast<size_t>(bytes));
      from[i] = ~from[i];
      i = next;
    }
    std::memcpy(data + i * bytes, held, static_cast<size_t>(bytes));
    from[i] = ~from[i];
  }
}

}  // namespace

int64_t panel_bytes(const GemmU8S8Row& row, int64_t positions, int64_t k) noexcept {
  return head_bytes(row, positions, k) + round_up(quad_count(positions, k) * row.nr * 4, 64);
}

int8_t* quads_of(const GemmU8S8Row& row, int64_t positions, int64_t k, int8_t* panel) noexcept {
  return panel + head_bytes(row, positions, k);
}

void arrange(const GemmU8S8Row& row, int64_t positions, int64_t k, int8_t* panel) noexcept {
  // Quads wait for one that they fit with.
  constexpr int kWaiting = 8;
  Reach waiting[kWaiting];
  int count = 0;
  const int64_t all = quad_count(positions, k), bytes = int64_t{row.nr} * 4;
  int8_t* quads = quads_of(row, positions, k, panel);
  auto* head = reinterpret_cast<int32_t*>(panel);
  int32_t* order = head + 1;
  int64_t paired = 0, single = all;  // pairs from the front, singles from the back
  for (int64_t q = 0; q < all; ++q) {
    Reach next;
    next.quad = q;
    next.measure(quads + q * bytes, row.nr);
    int fit = 0;
    while (fit < count && !waiting[fit].fits(next, row.nr)) ++fit;
    if (fit < count) {
      order[paired++] = static_cast<int32_t>(waiting[fit].quad);
      order[paired++] = static_cast<int32_t>(q);
      waiting[fit] = waiting[--count];
      continue;
    }
    if (count == kWaiting) order[--single] = static_cast<int32_t>(waiting[--count].quad);
    waiting[count++] = next;
  }
  while (count > 0) order[--single] = static_cast<int32_t>(waiting[--count].quad);
  head[0] = static_cast<int32_t>(paired / 2);
  int32_t *places = order + all, *sums = places + all;
  for (int64_t q = 0; q < all; ++q)
    for (int64_t n = 0; n < row.nr; n += 4) add_quads(quads + q * bytes + n * 4, sums + n);
  permute(quads, bytes, order, all);
  for (int64_t i = 0; i < all; ++i) {
    const int32_t quad = ~order[i];
    order[i] = offset_of(row, quad);
    places[quad] = static_cast<int32_t>(i * bytes);
  }
}

namespace {

struct Scratch {
  const void** pointers;
  std::byte *line, *prepared;
  int32_t *starts, *sums, *high;
};

// The first of the 128 numbers among which most of A is expected, A counted from its least.
uint8_t base_of(const GemmU8S8Call& call) noexcept {
  const int32_t zero = call.a_zero + (call.a_signed ? 128 : 0);
  return static_cast<uint8_t>(zero < 32 ? 0 : std::clamp(zero - 64, 1, 128));
}

int64_t high_stride(const GemmU8S8Weights& w) noexcept {
  return 2 * quad_count(w.positions, w.k) + 1;
}

// The parts of the scratch; returns their size.
int64_t cut(const GemmU8S8Weights& w, std::byte* scratch, Scratch& s) noexcept {
  const int64_t mr = w.row->mr, tile = tile_bytes(*w.row, w.positions, w.k);
  const int64_t rows = panels::block_rows(w, tile);
  panels::Parts parts{scratch};
  s.prepared = parts.take<std::byte>(rows / mr * tile);
  s.pointers = parts.take<const void*>(rows * w.taps);
  s.line = parts.take<std::byte>(mr * quad_count(w.positions, w.k) * 4);
  s.high = parts.take<int32_t>(rows / mr * high_stride(w));
  s.starts = parts.take<int32_t>(rows + 3);
  s.sums = parts.take<int32_t>(rows + 3);
  return parts.at;
}

}  // namespace

size_t scratch_bytes(const GemmU8S8Weights& w) noexcept {
  Scratch s;
  return static_cast<size_t>(cut(w, nullptr, s));
}

void run(const GemmU8S8Weights& w, const GemmU8S8Call& call, Range m, Range columns,
         std::byte* scratch) noexcept {
  const GemmU8S8Row& row = *w.row;
  const int64_t mr = row.mr;
  const int64_t tile_size = tile_bytes(row, w.positions, w.k);
  const int64_t quads = quad_count(w.positions, w.k);
  const GemmU8S8Epilogue& e = call.epilogue;
  Scratch s;
  cut(w, scratch, s);
  // Positions are gathered when rows are prepared.
  RowSource source = call.a;
  source.im2col = false;
  const int64_t taps = call.a.conv ? w.taps : 1;
  GemmU8S8Rows r;
  r.a = reinterpret_cast<const uint8_t* const*>(s.pointers);
  r.positions = taps;
  r.k = w.positions * w.k / taps;
  r.a_signed = call.a_signed;
  r.base = base_of(call);
  r.line = reinterpret_cast<uint8_t*>(s.line);
  r.prepared = s.prepared;
  r.prepared_bytes = tile_size;
  r.starts = s.starts;
  r.sums = e.b_zero ? s.sums : nullptr;
  r.high = s.high;
  r.high_stride = high_stride(w);
  GemmU8S8Panel p = panels::panel_of(call, s.sums);
  p.base = r.base;
  p.prepared = s.prepared;
  p.prepared_bytes = tile_size;
  p.starts = s.starts;
  p.high = s.high;
  p.high_stride = r.high_stride;
  GemmU8S8Tile& t = p.tile;
  const int64_t block = panels::even_block(w, tile_size, m.size());
  panels::each_group(w, call, columns, [&](Range some, int64_t offset) {
    for (int64_t m0 = m.begin; m0 < m.end; m0 += block) {
      p.rows = r.pitch = std::min(block, m.end - m0);
      const int rows = static_cast<int>(p.rows);
      fill_rows(source, m0, rows, rows, 1, offset, s.pointers, nullptr);
      // What the first rows of a block look like decides.
      r.preparation = e.b_zero ? GemmU8S8Preparation::signs : GemmU8S8Preparation::splits;
      r.rows = {0, std::min(mr, p.rows)};
      row.prepare(r);
      if (r.preparation == GemmU8S8Preparation::splits && r.high[0] > quads * 2 / 5)
        r.preparation = GemmU8S8Preparation::signs;
      else
        r.rows.begin = r.rows.end;
      r.rows.end = p.rows;
      row.prepare(r);
      p.preparation = r.preparation;
      for (int64_t panel = some.begin; panel < some.end; ++panel) {
        const int8_t* packed = panels::aim(w, call, m0, panel, some.end, p);
        p.order = reinterpret_cast<const int32_t*>(packed) + 1;
        p.pairs = p.order[-1];
        p.singles = quads - 2 * p.pairs;
        p.places = p.order + quads;
        p.sums = p.places + quads;
        t.b = packed + head_bytes(row, w.positions, w.k);
        row.panel(p);
      }
    }
  });
}

}  // namespace tersor::kernels::magnitudes

// The weights of 3x3 convolutions on their way into panels, in vectors of the compiler's. ONNX has
// the nine taps of a channel side by side; a panel has the columns side by side.
#pragma once

#include <cstdint>
#include <cstring>

namespace tersor::kernels {

// Of two channels, one behind the other, and eight columns: of each tap the bytes of both, column
// by column.
struct Taps {
  typedef int16_t Words __attribute__((vector_size(16)));
  static constexpr int kColumns = 8;
  Words of[9];

  // The first channel of a column lies at `from`, the next column `stride` bytes further.
  [[gnu::always_inline]] inline void load(const void* from, int64_t stride) noexcept {
    typedef int8_t Bytes __attribute__((vector_size(16)));
    typedef uint64_t Longs __attribute__((vector_size(16)));
    const auto* column = static_cast<const uint8_t*>(from);
    Words last{};
#pragma GCC unroll 8
    for (int n = 0; n < kColumns; ++n, column += stride) {
      uint64_t first, second;
      std::memcpy(&first, column, 8);
      std::memcpy(&second, column + 9, 8);
      __builtin_prefetch(column + 512);  // eight streams are too many for the hardware
      const auto x = Bytes(Longs{first, 0}), y = Bytes(Longs{second, 0});
      of[n] = Words(
          __builtin_shufflevector(x, y, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
      last[n] = static_cast<int16_t>(column[8] | column[17] << 8);
    }
    of[8] = last;
    // Three rounds of zips transpose eight by eight.
#pragma GCC unroll 3
    for (int round = 0; round < 3; ++round) {
      Words zipped[8];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        zipped[2 * i] = low(of[i], of[i + 4]);
        zipped[2 * i + 1] = high(of[i], of[i + 4]);
      }
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) of[i] = zipped[i];
    }
  }

  // Adds the 18 int8 of each column to sums[kColumns].
  [[gnu::always_inline]] inline void add_to(int32_t* sums) const noexcept {
    typedef int32_t Quads __attribute__((vector_size(16)));
    Words sum{};
#pragma GCC unroll 9
    for (int i = 0; i < 9; ++i) sum += Words(Words(of[i] << 8) >> 8) + Words(of[i] >> 8);
    for (const Words half : {low(sum, sum), high(sum, sum)}) {
      Quads there;
      std::memcpy(&there, sums, sizeof(there));
      there += Quads(half) >> 16;
      std::memcpy(sums, &there, sizeof(there));
      sums += 4;
    }
  }

  // Words of both in turn, from the first or the second halves.
  [[gnu::always_inline]] static inline Words low(Words a, Words b) noexcept {
    return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
  }
  [[gnu::always_inline]] static inline Words high(Words a, Words b) noexcept {
    return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
  }
};

}  // namespace tersor::kernels

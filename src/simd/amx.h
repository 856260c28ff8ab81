// The vector language on AVX-512 with VNNI and tiles (AMX). Instructions by name, because
// intrinsics take the number of a tile as a token.
#pragma once

#include <cstdint>

#include "simd/avx512vnni.h"
#include "simd/begin_amx.h"
namespace tersor::simd {

struct Amx : Avx512Vnni {
  // The eight tile registers of this thread (emu.h). Nothing else may use them meanwhile.
  struct Tiles {
    static constexpr int kRows = 16, kRowBytes = 64;

    static void open() noexcept {
      struct alignas(64) Configuration {
        uint8_t palette = 1, start_row = 0, reserved[14] = {};
        uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
        uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
      };
      static constexpr Configuration kWhole;
      static_assert(sizeof kWhole == 64);
      asm volatile("ldtilecfg %0" ::"m"(kWhole));
    }
    static void close() noexcept { asm volatile("tilerelease"); }

    template <int kTile>
    [[gnu::always_inline]] static inline void clear() noexcept {
      asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
    }
    template <int kTile>
    [[gnu::always_inline]] static inline void load(const void* p, int64_t pitch) noexcept {
      asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(p), "r"(pitch), "i"(kTile) : "memory");
    }
    template <int kTile>
    [[gnu::always_inline]] static inline void store(void* p, int64_t pitch) noexcept {
      asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(p), "r"(pitch), "i"(kTile) : "memory");
    }
    template <int kSum, int kA, int kB, bool kSigned>
    [[gnu::always_inline]] static inline void dot() noexcept {
      if constexpr (kSigned)
        asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kA), "i"(kB));
      else
        asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kA), "i"(kB));
    }
    template <int kSum, int kA, int kB>
    [[gnu::always_inline]] static inline void dot2() noexcept {
      asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kA), "i"(kB));
    }
  };
};

}  // namespace tersor::simd
#include "simd/end.h"

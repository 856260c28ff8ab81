#include "base/isa.h"

#include <cpuid.h>

#include <array>
#include <cstdlib>
#include <string>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "base/error.h"

namespace tersor::base {
namespace {

constexpr std::array<std::string_view, 7> kNames{"portable",   "avx2",       "avxvnni", "avx512",
                                                 "avx512vnni", "avx512bf16", "amx"};

// Linux gives the registers of tiles to a process that asks for them (arch_prctl(2)); threads
// started later inherit the permission.
bool may_use_tiles() noexcept {
#if defined(__linux__)
  constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
#else
  return false;
#endif
}

bool has_tiles() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  constexpr unsigned kBf16 = 1u << 22, kTile = 1u << 24, kInt8 = 1u << 25;
  constexpr unsigned kAll = kBf16 | kTile | kInt8;
  return (d & kAll) == kAll && may_use_tiles();
}

bool is_zen5_or_later() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kAuth = 0x68747541, kEnti = 0x69746e65, kCamd = 0x444d4163;
  if (!__get_cpuid(0, &a, &b, &c, &d) || b != kAuth || d != kEnti || c != kCamd) return false;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return false;
  const unsigned family = (a >> 8 & 0xf) + (a >> 20 & 0xff);
  return family >= 0x1a;
}

}  // namespace

std::string_view name(Isa isa) { return kNames[static_cast<size_t>(isa)]; }

IsaSet up_to(Isa isa) {
  switch (isa) {
    case Isa::portable:
      return {};
    case Isa::avx2:
      return {Isa::avx2};
    case Isa::avxvnni:
      return {Isa::avx2, Isa::avxvnni};
    case Isa::avx512:
      return {Isa::avx2, Isa::avx512};
    case Isa::avx512vnni:
      return {Isa::avx2, Isa::avxvnni, Isa::avx512, Isa::avx512vnni};
    case Isa::avx512bf16:
      return {Isa::avx2, Isa::avxvnni, Isa::avx512, Isa::avx512vnni, Isa::avx512bf16};
    default:
      return {Isa::avx2, Isa::avxvnni, Isa::avx512, Isa::avx512vnni, Isa::avx512bf16, Isa::amx};
  }
}

bool divides_quickly() {
  static const bool quickly = is_zen5_or_later();
  return quickly;
}

IsaSet detect_isa() {
  __builtin_cpu_init();
  IsaSet set;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("f16c")) {
    set.add(Isa::avx2);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
      set.add(Isa::avx512);
      if (__builtin_cpu_supports("avx512vnni")) {
        set.add(Isa::avx512vnni);
        if (__builtin_cpu_supports("avx512bf16")) {
          set.add(Isa::avx512bf16);
          if (has_tiles()) set.add(Isa::amx);
        }
      }
    }
    if (__builtin_cpu_supports("avxvnni")) set.add(Isa::avxvnni);
  }
  if (const char* cap = std::getenv("TERSOR_ISA"); cap && *cap) {
    IsaSet allowed, both;
    std::string known;
    bool found = false;
    for (Isa isa : kIsas) {
      known += (known.empty() ? "one of " : ", ") + std::string(name(isa));
      if (name(isa) != cap) continue;
      allowed = up_to(isa);
      found = true;
    }
    if (!found)
      throw Error(ErrorKind::kUsage, "E50",
                  "unknown instruction set " + quoted(cap) + " in TERSOR_ISA", known);
    for (Isa isa : kIsas)
      if (set.has(isa) && allowed.has(isa)) both.add(isa);
    return both;
  }
  return set;
}

}  // namespace tersor::base

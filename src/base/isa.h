// Instruction sets that kernels are written for, and which of them this machine has.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace tersor::base {

// amx: tiles of int8 and of bfloat16.
enum class Isa : uint8_t { portable, avx2, avxvnni, avx512, avx512vnni, avx512bf16, amx };
inline constexpr Isa kIsas[] = {Isa::portable,   Isa::avx2,       Isa::avxvnni, Isa::avx512,
                                Isa::avx512vnni, Isa::avx512bf16, Isa::amx};

class IsaSet {
 public:
  constexpr IsaSet() = default;
  constexpr IsaSet(std::initializer_list<Isa> list) {
    for (Isa isa : list) add(isa);
  }
  constexpr bool has(Isa isa) const { return bits_ >> static_cast<int>(isa) & 1; }
  constexpr void add(Isa isa) { bits_ = static_cast<uint8_t>(bits_ | 1 << static_cast<int>(isa)); }
  constexpr bool operator==(const IsaSet&) const = default;

 private:
  uint8_t bits_ = 1;  // portable is always there
};

std::string_view name(Isa isa);

// What the CPU and the operating system offer, capped by the environment variable TERSOR_ISA (a
// name of Isa: that one and what it builds on). An unknown name is an E50 Error.
IsaSet detect_isa();
// `isa` and all that it builds on.
IsaSet up_to(Isa isa);

// Whether divisions of 512 bits take no longer than the six multiplications that make one: an AMD
// processor from Zen 5 on (16 quotients in 3 cycles; Sapphire Rapids 16).
bool divides_quickly();

}  // namespace tersor::base

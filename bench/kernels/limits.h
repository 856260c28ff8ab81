// What this CPU can at most do, measured on the spot: the instruction mixes of the inner loops of
// src/kernels, on fixed registers and a few lines of the L1 cache, and plain streams of memory.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "base/isa.h"

namespace tersor::bench_kernels {

// The mix `form` of an instruction set, repeated for about so many products, or elements of a plain
// loop. A mix holds what a step of the kernel's inner loop cannot do without: loads and broadcasts
// of both operands, products, sums, and, for the short sums of depthwise, the way in and out. Null
// where there is none: what a compiler makes of `portable` is its own.
std::function<void()> make_mix(std::string_view form, base::Isa isa, double products);

// Loads `in` bytes and stores `out` bytes of arrays of its own in vectors of the instruction set,
// side by side. Null unless in : out is 1:1, 2:1, 4:1, 9:1 or 1:4.
std::function<void()> make_stream(base::Isa isa, int64_t in, int64_t out);

}  // namespace tersor::bench_kernels

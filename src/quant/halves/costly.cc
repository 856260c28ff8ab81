#include <algorithm>
#include <cmath>
#include <functional>

#include "base/error.h"
#include "quant/halves/halves.h"

namespace tersor::quant {

double largest_change(DType half) { return half == DType::kFloat16 ? 1e-3 : 1e-2; }

Costly costly(std::vector<HalfCost> costs, DType half, double share) {
  // Shares of all weights and of all work that float32 may take; what is left is not worth a node
  // that has less than kWorthIt of it.
  constexpr double kBytes = 0.006, kWork = 0.6, kWorthIt = 0.01, kLeastShare = 0.01;
  double noise = 0, bytes = 0, work = 0;
  for (const HalfCost& c : costs) {
    noise += c.noise;
    bytes += static_cast<double>(c.bytes);
    work += static_cast<double>(c.work);
  }
  const double enough = noise * share;
  const auto part = [&](const HalfCost& c) {
    return work > 0 ? static_cast<double>(c.work) / work : 0;
  };
  std::ranges::stable_sort(costs, std::greater<>(),
                           [&](const HalfCost& c) { return c.noise / (part(c) + kLeastShare); });
  Costly found;
  double bytes_left = bytes * kBytes, work_left = kWork;
  for (const HalfCost& c : costs) {
    if (noise <= enough) break;
    if (c.noise < noise * kWorthIt || part(c) > work_left) continue;
    work_left -= part(c);
    noise -= c.noise;
    found.nodes.emplace(c.output,
                        fmt::format("in {} it alone moves an output by {:.2g} of its size",
                                    tensor::name(half), std::sqrt(c.noise)));
    if (static_cast<double>(c.bytes) > bytes_left)
      found.stored.insert(c.output);
    else
      bytes_left -= static_cast<double>(c.bytes);
  }
  return found;
}

}  // namespace tersor::quant

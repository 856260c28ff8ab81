#include "stats/channel_means.h"

#include <cmath>

namespace tersor::stats {

void ChannelMeans::add(std::span<const float> values, int64_t outer, int64_t channels,
                       int64_t inner) {
  if (channels <= 0 || outer * channels * inner != static_cast<int64_t>(values.size())) return;
  const auto size = static_cast<size_t>(channels);
  if (sums.empty()) sums.assign(size, 0);
  if (sums.size() != size) {
    sums.assign(size, NAN);
    return;
  }
  const float* v = values.data();
  if (inner == 1) {
    for (int64_t o = 0; o < outer; ++o, v += channels)
      for (size_t c = 0; c < size; ++c) sums[c] += static_cast<double>(v[c]);
  } else {
    for (int64_t o = 0; o < outer; ++o)
      for (size_t c = 0; c < size; ++c, v += inner) {
        double sum = 0;
        for (int64_t i = 0; i < inner; ++i) sum += static_cast<double>(v[i]);
        sums[c] += sum;
      }
  }
  count += static_cast<uint64_t>(outer * inner);
}

void ChannelMeans::merge(const ChannelMeans& other) {
  if (other.sums.empty()) return;
  if (sums.empty()) {
    *this = other;
    return;
  }
  if (sums.size() != other.sums.size()) {
    sums.assign(sums.size(), NAN);
    return;
  }
  for (size_t c = 0; c < sums.size(); ++c) sums[c] += other.sums[c];
  count += other.count;
}

std::vector<double> ChannelMeans::means() const {
  if (count == 0) return {};
  std::vector<double> m = sums;
  for (double& v : m) {
    v /= static_cast<double>(count);
    if (!std::isfinite(v)) return {};
  }
  return m;
}

}  // namespace tersor::stats

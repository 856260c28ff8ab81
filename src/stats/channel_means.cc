#include "stats/channel_means.h"

#include <algorithm>
#include <cmath>

#include "stats/min_max.h"

namespace tersor::stats {
namespace {

// Adding up floats: a few in float lanes, those in double. The same for the same tensor always.
constexpr int64_t kFew = 32;

double sum_of(const float* x, int64_t n) {
  constexpr int64_t kLanes = 8;
  double sum = 0;
  for (int64_t from = 0; from < n; from += kFew * kLanes) {
    const int64_t to = std::min(n, from + kFew * kLanes);
    float lanes[kLanes] = {};
    int64_t i = from;
    for (; i + kLanes <= to; i += kLanes)
      for (int64_t l = 0; l < kLanes; ++l) lanes[l] += x[i + l];
    for (int64_t l = 0; i < to; ++i, ++l) lanes[l] += x[i];
    for (float lane : lanes) sum += static_cast<double>(lane);
  }
  return sum;
}

}  // namespace

void ChannelMeans::add(std::span<const float> values, int64_t outer, int64_t channels,
                       int64_t inner) {
  if (channels <= 0 || outer * channels * inner != static_cast<int64_t>(values.size())) return;
  std::vector<double> here(static_cast<size_t>(channels));
  if (inner == 1) {
    MinMax().add(values, here);
  } else {
    const float* v = values.data();
    for (int64_t o = 0; o < outer; ++o)
      for (double& sum : here) {
        sum += sum_of(v, inner);
        v += inner;
      }
  }
  add(here, outer * inner);
}

void ChannelMeans::add(std::span<const double> rows_sums, int64_t rows) {
  if (sums.empty()) sums.resize(rows_sums.size());
  if (sums.size() != rows_sums.size()) return lose();
  for (size_t c = 0; c < sums.size(); ++c) sums[c].add(rows_sums[c]);
  count += static_cast<uint64_t>(rows);
}

void ChannelMeans::merge(const ChannelMeans& other) {
  if (other.sums.empty()) return;
  if (sums.empty()) {
    *this = other;
    return;
  }
  if (sums.size() != other.sums.size()) return lose();
  for (size_t c = 0; c < sums.size(); ++c) sums[c].merge(other.sums[c]);
  count += other.count;
}

void ChannelMeans::lose() {
  sums.assign(1, ExactSum());
  sums[0].add(NAN);
}

std::vector<double> ChannelMeans::means() const {
  std::vector<double> m;
  if (count == 0) return m;
  for (const ExactSum& sum : sums) {
    m.push_back(sum.value() / static_cast<double>(count));
    if (!std::isfinite(m.back())) return {};
  }
  return m;
}

}  // namespace tersor::stats

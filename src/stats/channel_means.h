// The mean of each channel of a tensor over a stream.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "stats/exact_sum.h"

namespace tersor::stats {

struct ChannelMeans {
  std::vector<ExactSum> sums;  // by channel; empty while nothing came
  uint64_t count = 0;          // values in each sum

  // values[outer][channels][inner]. Once the number of channels changes there is no such mean.
  void add(std::span<const float> values, int64_t outer, int64_t channels, int64_t inner);
  // The sums of `rows` rows of channels.
  void add(std::span<const double> rows_sums, int64_t rows);
  void merge(const ChannelMeans& other);
  // Nothing that comes later makes a mean of it again.
  void lose();
  // Empty if nothing came, or a sum is not finite.
  std::vector<double> means() const;
  bool operator==(const ChannelMeans&) const = default;
};

}  // namespace tersor::stats

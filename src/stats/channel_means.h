// The mean of each channel of a tensor over a stream.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tersor::stats {

struct ChannelMeans {
  std::vector<double> sums;  // by channel; empty while nothing came
  uint64_t count = 0;        // values in each sum

  // values[outer][channels][inner]. Starts anew if the number of channels changes: then there is no
  // such mean.
  void add(std::span<const float> values, int64_t outer, int64_t channels, int64_t inner);
  void merge(const ChannelMeans& other);
  // Empty if nothing came, or a sum is not finite.
  std::vector<double> means() const;
  bool operator==(const ChannelMeans&) const = default;
};

}  // namespace tersor::stats

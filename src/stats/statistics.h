// What calibration learns about the tensors of a model: mergeable, with a JSON form.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "stats/channel_means.h"
#include "stats/histogram.h"
#include "stats/mean_extremes.h"
#include "stats/min_max.h"

namespace tersor::stats {

// One thread's look at its parts of a tensor: everything about a piece while it is in the cache.
class Look {
 public:
  // `expected`: about how many values will come.
  Look(size_t expected, bool histogram);
  // The extremes of these values, a part of one sample.
  MinMax add(std::span<const float> values);
  // The same of values[rows][channels], whose sums go into `means`.
  MinMax add(std::span<const float> values, int64_t channels, ChannelMeans& means);
  // Of all finite values; empty if none was wanted.
  Histogram take_histogram() { return tally_.take(); }

 private:
  void count(std::span<const float> piece, const MinMax& extremes);

  Tally tally_;
  bool histogram_;
};

struct TensorStats {
  MinMax range;
  MeanExtremes extremes;
  Histogram histogram;    // of the finite values
  ChannelMeans channels;  // where somebody asked for them

  void add(std::span<const float> sample);
  void merge(const TensorStats& other);
  bool operator==(const TensorStats&) const = default;
};

// Statistics of many machines add up: merge() gives what one run over all samples had given.
struct Statistics {
  std::map<std::string, TensorStats> tensors;  // by the name of the value
  uint64_t samples = 0;
  bool synthetic = false;  // from random data: results are not meaningful
  std::string model;       // a hash of the model they belong to; empty if unknown
  std::string settings;    // what else the values depend on: "equalize=auto per-channel"
  std::string data;        // how samples became tensors
  std::string version;     // of what gathered them

  // E25 if the two belong to different models, settings or preprocessing.
  void merge(const Statistics& other);
  bool operator==(const Statistics&) const = default;
};

// One JSON document, a line for each tensor, keys sorted, no paths, schema "tersor.stats/1";
// parsing what was written gives equal statistics. E25 names what is wrong with a foreign text.
std::string to_json_text(const Statistics& statistics);
Statistics parse_statistics(std::string_view text, const std::string& name = "statistics");

}  // namespace tersor::stats

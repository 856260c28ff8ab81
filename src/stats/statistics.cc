#include "stats/statistics.h"

#include <cmath>

#include "base/checked.h"

namespace tersor::stats {

void Look::add(std::span<const float> values, bool with_histogram) {
  MinMax here;
  here.add(values);
  range.merge(here);
  if (with_histogram && !here.empty())
    histogram.add(values, std::fmax(std::fabs(here.min), std::fabs(here.max)));
}

void Look::merge(const Look& other) {
  range.merge(other.range);
  histogram.merge(other.histogram);
}

void TensorStats::add(const Look& sample) {
  range.merge(sample.range);
  extremes.add(sample.range);
  histogram.merge(sample.histogram);
}

void TensorStats::add(std::span<const float> sample) {
  Look look;
  look.add(sample);
  add(look);
}

void TensorStats::merge(const TensorStats& other) {
  // The other counters are never more.
  base::checked_add(range.count, other.range.count, "a count");
  range.merge(other.range);
  extremes.merge(other.extremes);
  histogram.merge(other.histogram);
  channels.merge(other.channels);
}

void Statistics::merge(const Statistics& other) {
  const auto agree = [](std::string& mine, const std::string& theirs, const char* what,
                        const char* help) {
    if (!mine.empty() && !theirs.empty() && mine != theirs)
      throw Error(ErrorKind::kInput, "E25",
                  fmt::format("the statistics belong to different {}: {} and {}", what,
                              base::quoted(mine), base::quoted(theirs)),
                  help);
    if (mine.empty()) mine = theirs;
  };
  agree(model, other.model, "models", "calibrate all parts with one model");
  agree(settings, other.settings, "settings", "calibrate all parts with the same options");
  agree(data, other.data, "preprocessing", "prepare the samples of all parts alike");
  if (version != other.version) version.clear();
  samples = base::checked_add(samples, other.samples, "a count");
  for (const auto& [key, value] : other.tensors) tensors[key].merge(value);
  synthetic = synthetic || other.synthetic;
}

}  // namespace tersor::stats

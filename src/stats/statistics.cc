#include "stats/statistics.h"

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "kernels/histogram/histogram.h"

namespace tersor::stats {
namespace {

constexpr size_t kPiece = 8192;  // values that are looked at again while the cache has them

}  // namespace

Look::Look(size_t expected, bool histogram)
    : tally_(histogram ? expected : 0), histogram_(histogram) {}

void Look::count(std::span<const float> piece, const MinMax& extremes) {
  if (histogram_ && !extremes.empty())
    tally_.add(piece, std::fmax(std::fabs(extremes.min), std::fabs(extremes.max)));
}

MinMax Look::add(std::span<const float> values) {
  MinMax all;
  while (!values.empty()) {
    const auto piece = values.first(std::min(values.size(), kPiece));
    MinMax here;
    here.add(piece);
    count(piece, here);
    all.merge(here);
    values = values.subspan(piece.size());
  }
  return all;
}

MinMax Look::add(std::span<const float> values, int64_t channels, ChannelMeans& means) {
  // Whole blocks of rows that are summed up in float.
  const auto columns = static_cast<size_t>(channels);
  const size_t block = columns * kernels::histogram::kRows;
  const size_t length = std::max<size_t>(kPiece / block, 1) * block;
  const auto rows = static_cast<int64_t>(values.size() / columns);
  std::vector<double> sums(columns);
  MinMax all;
  while (!values.empty()) {
    const auto piece = values.first(std::min(values.size(), length));
    MinMax here;
    here.add(piece, sums);
    count(piece, here);
    all.merge(here);
    values = values.subspan(piece.size());
  }
  means.add(sums, rows);
  return all;
}

void TensorStats::add(std::span<const float> sample) {
  Look look(sample.size(), true);
  const MinMax extremes = look.add(sample);
  range.merge(extremes);
  this->extremes.add(extremes);
  histogram.merge(look.take_histogram());
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

#include "stats/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "base/checked.h"
#include "kernels/histogram/histogram.h"
#include "stats/min_max.h"

namespace tersor::stats {
namespace {

namespace kernel = kernels::histogram;
static_assert(kernel::kSteps == Histogram::kSteps);

constexpr size_t kBins = Histogram::kBins;
constexpr size_t kSlots = 2 * kBins + 1;    // of one table: both halves, and what was skipped
constexpr size_t kMostCounted = size_t{1} << 30;  // a 32-bit counter cannot overflow
constexpr size_t kTablesFrom = 16384;       // fewer values are not worth clearing the tables
constexpr int kBias = 127;                  // of the exponent of a float

int exponent_for(float largest) noexcept {
  int exponent = Histogram::kMinExponent;
  if (largest > 0) std::frexp(largest, &exponent);
  return std::max(exponent, Histogram::kMinExponent);
}

// The lowest octaves into the first bin, the others down.
void fold(std::vector<uint64_t>& counts, int octaves) noexcept {
  if (counts.empty() || octaves == 0) return;
  const auto gone = static_cast<size_t>(std::min(octaves, Histogram::kOctaves) * Histogram::kSteps);
  for (size_t k = 1; k < kBins; ++k) {
    const uint64_t n = counts[k];
    counts[k] = 0;
    counts[k > gone ? k - gone : 0] += n;
  }
}

void add_counts(std::vector<uint64_t>& into, std::span<const uint64_t> from) {
  if (from.empty()) return;
  if (into.empty()) into.resize(kBins);
  for (size_t k = 0; k < from.size(); ++k) into[k] += from[k];
}

}  // namespace

Histogram::Histogram(int exponent, std::vector<uint64_t> positive, std::vector<uint64_t> negative)
    : exponent_(exponent), positive_(std::move(positive)), negative_(std::move(negative)) {
  for (const auto* half : {&positive_, &negative_}) {
    if (!half->empty() && half->size() != kBins)
      base::fail_input("E25", "a histogram has {} bins instead of {}", half->size(), kBins);
    for (uint64_t n : *half) total_ = base::checked_add(total_, n, "a count");
  }
  if (exponent < kMinExponent || exponent > kMaxExponent)
    base::fail_input("E25", "a histogram has the exponent {}", exponent);
}

double Histogram::edge(int k) const noexcept {
  if (k == 0) return 0;
  const int octave = (k - 1) / kSteps, step = (k - 1) % kSteps;
  return std::ldexp(1 + static_cast<double>(step) / kSteps, exponent_ - kOctaves + octave);
}

void Histogram::grow(int exponent) noexcept {
  if (exponent <= exponent_) return;
  fold(positive_, exponent - exponent_);
  fold(negative_, exponent - exponent_);
  exponent_ = exponent;
}

void Histogram::add(std::span<const float> values) {
  MinMax extent;
  extent.add(values);
  if (!extent.empty()) add(values, std::max(std::fabs(extent.min), std::fabs(extent.max)));
}

void Histogram::add(std::span<const float> values, float largest) {
  grow(exponent_for(largest));
  if (values.size() < kTablesFrom) return add_few(values);
  Tally tally(values.size());
  tally.add(values, largest);
  merge(tally.take());
}

int32_t Histogram::first_step() const noexcept {
  // The lowest octave begins at 2^(exponent - kOctaves).
  return (exponent_ - kOctaves + kBias) * kSteps;
}

int Histogram::bin_of(float magnitude) const noexcept {
  return std::max((std::bit_cast<int32_t>(magnitude) >> kernel::kShift) - first_step() + 1, 0);
}

void Histogram::add_few(std::span<const float> values) {
  for (float v : values) {
    const auto bin = static_cast<size_t>(bin_of(std::fabs(v)));
    if (bin >= kBins) continue;  // not finite
    std::vector<uint64_t>& half = v < 0 ? negative_ : positive_;
    if (half.empty()) half.resize(kBins);
    ++half[bin];
    ++total_;
  }
}

Tally::Tally(size_t expected) {
  if (expected >= kTablesFrom) tables_.resize(kernel::kTables * kSlots);
}

void Tally::add(std::span<const float> values, float largest) {
  if (tables_.empty()) return histogram_.add(values, largest);
  static const kernel::Table& table = kernel::table(base::detect_isa());
  if (const int exponent = exponent_for(largest); exponent > histogram_.exponent_) {
    add_up();
    histogram_.grow(exponent);
  }
  while (!values.empty()) {
    if (counted_ == kMostCounted) add_up();
    const auto piece = values.first(std::min(values.size(), kMostCounted - counted_));
    table.count(piece.data(), static_cast<int64_t>(piece.size()),
                {histogram_.first_step(), static_cast<int32_t>(kBins), tables_.data()});
    counted_ += piece.size();
    values = values.subspan(piece.size());
  }
}

void Tally::add_up() {
  if (counted_ == 0) return;
  std::vector<uint64_t> sums(kSlots);
  for (size_t t = 0; t < kernel::kTables; ++t)
    for (size_t k = 0; k < kSlots; ++k) sums[k] += tables_[t * kSlots + k];
  std::ranges::fill(tables_, 0U);
  histogram_.total_ += counted_ - sums[2 * kBins];
  counted_ = 0;
  for (size_t half = 0; half < 2; ++half) {
    const std::span<const uint64_t> part(sums.data() + half * kBins, kBins);
    if (std::ranges::any_of(part, [](uint64_t n) { return n != 0; }))
      add_counts(half == 0 ? histogram_.positive_ : histogram_.negative_, part);
  }
}

Histogram Tally::take() {
  add_up();
  return std::exchange(histogram_, Histogram());
}

void Histogram::merge(const Histogram& other) {
  grow(other.exponent_);
  const auto add_half = [&](std::vector<uint64_t>& into, const std::vector<uint64_t>& from) {
    if (exponent_ == other.exponent_) return add_counts(into, from);
    std::vector<uint64_t> folded = from;
    fold(folded, exponent_ - other.exponent_);
    add_counts(into, folded);
  };
  add_half(positive_, other.positive_);
  add_half(negative_, other.negative_);
  total_ += other.total_;
}

double Histogram::quantile(double q) const noexcept {
  if (total_ == 0) return 0;
  const double target = std::clamp(q, 0.0, 1.0) * static_cast<double>(total_);
  double below = 0, last = 0;
  const auto inside = [&](double from, double to, double n) {
    return from + (to - from) * (target - below) / n;
  };
  for (size_t i = negative_.size(); i-- > 0;) {
    const auto n = static_cast<double>(negative_[i]);
    if (n == 0) continue;
    const int k = static_cast<int>(i);
    if (below + n >= target) return inside(-edge(k + 1), -edge(k), n);
    below += n;
    last = -edge(k);
  }
  for (size_t i = 0; i < positive_.size(); ++i) {
    const auto n = static_cast<double>(positive_[i]);
    if (n == 0) continue;
    const int k = static_cast<int>(i);
    if (below + n >= target) return inside(edge(k), edge(k + 1), n);
    below += n;
    last = edge(k + 1);
  }
  return last;
}

double Histogram::share_outside(double lo, double hi) const noexcept {
  if (total_ == 0) return 0;
  double outside = 0;
  const auto add_bin = [&](double from, double to, uint64_t n) {
    const double inside = std::max(0.0, std::min(hi, to) - std::max(lo, from)) / (to - from);
    outside += (1 - inside) * static_cast<double>(n);
  };
  for (size_t i = 0; i < negative_.size(); ++i)
    if (negative_[i] != 0)
      add_bin(-edge(static_cast<int>(i) + 1), -edge(static_cast<int>(i)), negative_[i]);
  for (size_t i = 0; i < positive_.size(); ++i)
    if (positive_[i] != 0)
      add_bin(edge(static_cast<int>(i)), edge(static_cast<int>(i) + 1), positive_[i]);
  return outside / static_cast<double>(total_);
}

Histogram::Dense Histogram::dense() const {
  Dense d;
  if (total_ == 0) return d;
  const auto used = [](uint64_t n) { return n != 0; };
  // Of a half, the bins [first, end) that must be there: all between its own used ones and zero,
  // where the other half is used too.
  const auto limits = [&](const std::vector<uint64_t>& half, const std::vector<uint64_t>& other) {
    const auto first = std::ranges::find_if(half, used);
    const auto last = std::find_if(half.rbegin(), half.rend(), used).base();
    if (first == half.end()) return std::pair<int, int>(0, 0);
    const int from = static_cast<int>(first - half.begin());
    return std::pair<int, int>(std::ranges::any_of(other, used) ? 0 : from,
                               static_cast<int>(last - half.begin()));
  };
  const auto [n0, n1] = limits(negative_, positive_);
  const auto [p0, p1] = limits(positive_, negative_);
  for (int k = n1; k-- > n0;) {
    d.edges.push_back(-edge(k + 1));
    d.counts.push_back(negative_[static_cast<size_t>(k)]);
  }
  if (n1 > n0 && p1 == p0) d.edges.push_back(-edge(n0));
  for (int k = p0; k < p1; ++k) {
    d.edges.push_back(edge(k));
    d.counts.push_back(positive_[static_cast<size_t>(k)]);
  }
  if (p1 > p0) d.edges.push_back(edge(p1));
  return d;
}

Histogram::Even Histogram::even(size_t count) const {
  Even e;
  const Dense d = dense();
  if (d.counts.empty() || count == 0) return e;
  e.lo = d.edges.front();
  e.hi = d.edges.back();
  e.counts.assign(count, 0);
  const double step = (e.hi - e.lo) / static_cast<double>(count);
  // Cumulative counts, rounded: they add up to the total.
  double below = 0;
  uint64_t given = 0;
  size_t bin = 0;
  const auto give = [&](size_t to, double sum) {
    const auto rounded = static_cast<uint64_t>(std::nearbyint(sum));
    e.counts[to] += rounded - given;
    given = rounded;
  };
  for (size_t i = 0; i < d.counts.size(); ++i) {
    const auto n = static_cast<double>(d.counts[i]);
    const double from = d.edges[i], width = d.edges[i + 1] - from;
    for (; bin + 1 < count; ++bin) {
      const double end = e.lo + step * static_cast<double>(bin + 1);
      if (end >= d.edges[i + 1]) break;
      give(bin, below + n * std::clamp((end - from) / width, 0.0, 1.0));
    }
    below += n;
    give(std::min(bin, count - 1), below);
  }
  return e;
}

size_t Histogram::memory_bytes() const noexcept {
  return sizeof *this + (positive_.capacity() + negative_.capacity()) * sizeof(uint64_t);
}

}  // namespace tersor::stats

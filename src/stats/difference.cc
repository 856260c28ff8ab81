#include "stats/difference.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stats/min_max.h"

namespace tersor::stats {
namespace {

constexpr size_t kBlock = 1024;

bool all_finite(std::span<const float> values) { return !first_non_finite(values); }

}  // namespace

void Difference::add(std::span<const float> reference, std::span<const float> other) noexcept {
  const size_t n = std::min(reference.size(), other.size());
  count_ += n;
  double rr = 0, oo = 0, ro = 0, ee = 0, max_abs = max_abs_, max_reference = max_reference_;
  const auto add_finite = [&](double r, double o) {
    const double e = r - o;
    rr += r * r;
    oo += o * o;
    ro += r * o;
    ee += e * e;
    max_abs = std::max(max_abs, std::fabs(e));
    max_reference = std::max(max_reference, std::fabs(r));
  };
  uint64_t used = 0;
  for (size_t from = 0; from < n; from += kBlock) {
    const size_t to = std::min(from + kBlock, n);
    if (all_finite(reference.subspan(from, to - from)) &&
        all_finite(other.subspan(from, to - from))) {
      for (size_t i = from; i < to; ++i) add_finite(reference[i], other[i]);
      used += to - from;
      continue;
    }
    for (size_t i = from; i < to; ++i) {
      const double r = reference[i], o = other[i];
      if (std::isfinite(r) && std::isfinite(o)) {
        add_finite(r, o);
        ++used;
        continue;
      }
      const bool agree = r == o || (std::isnan(r) && std::isnan(o));
      if (!agree) ++(std::isfinite(r) ? other_bad_ : reference_bad_);
    }
  }
  used_ += used;
  max_abs_ = max_abs;
  max_reference_ = max_reference;
  rr_ += rr;
  oo_ += oo;
  ro_ += ro;
  ee_ += ee;
}

void Difference::merge(const Difference& o) noexcept {
  count_ += o.count_;
  used_ += o.used_;
  other_bad_ += o.other_bad_;
  reference_bad_ += o.reference_bad_;
  rr_ += o.rr_;
  oo_ += o.oo_;
  ro_ += o.ro_;
  ee_ += o.ee_;
  max_abs_ = std::max(max_abs_, o.max_abs_);
  max_reference_ = std::max(max_reference_, o.max_reference_);
}

double Difference::sqnr_db() const noexcept {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (ee_ == 0) return kInfinity;
  if (rr_ == 0) return -kInfinity;
  return 10 * std::log10(rr_ / ee_);
}

double Difference::cosine() const noexcept {
  if (rr_ == 0 && oo_ == 0) return 1;
  if (rr_ == 0 || oo_ == 0) return 0;
  return std::clamp(ro_ / (std::sqrt(rr_) * std::sqrt(oo_)), -1.0, 1.0);
}

double Difference::mse() const noexcept {
  return used_ == 0 ? 0 : ee_ / static_cast<double>(used_);
}

namespace {

Difference of(std::span<const float> reference, std::span<const float> other) noexcept {
  Difference d;
  d.add(reference, other);
  return d;
}

}  // namespace

double sqnr_db(std::span<const float> reference, std::span<const float> other) noexcept {
  return of(reference, other).sqnr_db();
}
double cosine(std::span<const float> reference, std::span<const float> other) noexcept {
  return of(reference, other).cosine();
}
double max_abs(std::span<const float> reference, std::span<const float> other) noexcept {
  return of(reference, other).max_abs();
}

}  // namespace tersor::stats

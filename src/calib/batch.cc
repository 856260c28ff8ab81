// Putting samples together, and looking at them.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/checked.h"
#include "base/error.h"
#include "calib/dataset.h"
#include "calib/shapes.h"
#include "stats/min_max.h"

namespace tersor::calib {
namespace {

bool same_shapes(const Sample& a, const Sample& b) {
  for (size_t i = 0; i < a.inputs.size(); ++i)
    if (a.inputs[i].second.dims() != b.inputs[i].second.dims()) return false;
  return true;
}

// Tensors of equal shape, one after the other along axis 0.
Tensor stack(const std::vector<Sample>& samples, size_t input, size_t count) {
  const Tensor& first = samples[0].inputs[input].second;
  if (count == 1) return first;
  Dims dims = first.dims();
  dims[0] = base::checked_mul(dims[0], static_cast<int64_t>(count));
  Tensor t = Tensor::empty(first.dtype(), dims);
  for (size_t k = 0; k < count; ++k) {
    const Tensor& from = samples[std::min(k, samples.size() - 1)].inputs[input].second;
    if (from.bytes() > 0) std::memcpy(t.raw_mutable() + k * from.bytes(), from.raw(), from.bytes());
  }
  return t;
}

uint64_t hash_of(const Sample& sample) {
  uint64_t h = 0x9e3779b97f4a7c15u;
  const auto mix = [&](uint64_t v) {
    h = (h ^ v) * 0xff51afd7ed558ccdu;
    h ^= h >> 32;
  };
  for (const auto& [name, t] : sample.inputs) {
    if (t.dtype() == DType::kString) continue;
    for (int64_t d : t.dims()) mix(static_cast<uint64_t>(d));
    size_t i = 0;
    for (uint64_t v; i + 8 <= t.bytes(); i += 8) {
      std::memcpy(&v, t.raw() + i, 8);
      mix(v);
    }
    for (; i < t.bytes(); ++i) mix(static_cast<uint64_t>(t.raw()[i]));
  }
  return h;
}

}  // namespace

Batcher::Batcher(Dataset& data, const std::vector<InputSpec>& inputs, int64_t wish,
                 DataCheck* check)
    : data_(data), check_(check) {
  const auto all = [&](auto condition) {
    return !inputs.empty() && std::ranges::all_of(inputs, [&](const InputSpec& i) {
      return i.shape && !i.shape->empty() && tensor::bits(i.dtype) % 8 == 0 &&
             tensor::bits(i.dtype) > 0 && condition((*i.shape)[0]);
    });
  };
  if (all([](const ir::Dim& d) { return is_batch(d); })) {
    batch_ = std::max<int64_t>(wish, 1);
    open_ = true;
  } else if (all([&](const ir::Dim& d) { return d.value > 1 && d == (*inputs[0].shape)[0]; })) {
    batch_ = (*inputs[0].shape)[0].value;
    fixed_ = true;
  }
}

bool Batcher::wish(int64_t samples) {
  const int64_t before = batch_;
  if (open_) batch_ = std::max<int64_t>(samples, 1);
  return batch_ != before;
}

bool Batcher::next(Batch& batch) {
  batch = {};
  std::vector<Sample> samples;
  for (;;) {
    Sample sample;
    if (ahead_) {
      sample = std::move(*ahead_);
      ahead_.reset();
    } else {
      if (pool_) data_.read_ahead(*pool_, std::max<int64_t>(batch_, 2 * pool_->size()));
      if (!data_.next(sample)) break;
    }
    if (!samples.empty() && !same_shapes(samples[0], sample)) {
      ahead_ = std::move(sample);
      break;
    }
    if (check_) check_->observe(sample);
    samples.push_back(std::move(sample));
    // A sample that already fills a fixed batch stands alone.
    const bool rows = std::ranges::all_of(samples[0].inputs, [](const auto& i) {
      return i.second.rank() > 0 && i.second.dim(0) == 1;
    });
    if (static_cast<int64_t>(samples.size()) >= batch_ || !rows) break;
  }
  if (samples.empty()) return false;
  const bool rows = std::ranges::all_of(
      samples[0].inputs, [](const auto& i) { return i.second.rank() > 0 && i.second.dim(0) == 1; });
  const size_t count = fixed_ && rows ? static_cast<size_t>(batch_) : samples.size();
  for (size_t i = 0; i < samples[0].inputs.size(); ++i)
    batch.inputs.emplace_back(samples[0].inputs[i].first, stack(samples, i, count));
  batch.count = static_cast<int64_t>(samples.size());
  batch.stacked = rows;
  for (Sample& s : samples) {
    batch.indices.push_back(s.index);
    batch.sources.push_back(std::move(s.source));
    batch.labels.push_back(s.label);
  }
  return true;
}

void DataCheck::observe(const Sample& sample) {
  const uint64_t hash = hash_of(sample);
  if (samples_++ == 0) first_hash_ = hash;
  all_same_ = all_same_ && hash == first_hash_;
  for (const auto& [name, t] : sample.inputs) {
    if (t.dtype() != DType::kFloat32 || t.rank() < 3) continue;
    stats::MinMax range;
    range.add(t.data<float>());
    if (range.empty()) continue;
    Extent& e = extents_[name];
    e.min = e.any ? std::min<double>(e.min, range.min) : range.min;
    e.max = e.any ? std::max<double>(e.max, range.max) : range.max;
    e.any = true;
  }
}

std::vector<Warning> DataCheck::finish(const Dataset& data) const {
  constexpr uint64_t kFew = 32;
  std::vector<Warning> warnings;
  if (data.synthetic())
    warnings.push_back({"W23",
                        "random data: the ranges and every result drawn from them are not "
                        "meaningful; pass real samples with -d"});
  if (samples_ < kFew)
    warnings.push_back({"W20", fmt::format("only {} calibration {}: use at least {}", samples_,
                                           samples_ == 1 ? "sample" : "samples", kFew)});
  if (samples_ > 1 && all_same_)
    warnings.push_back({"W21", fmt::format("all {} calibration items are identical", samples_)});
  for (const auto& [name, e] : extents_)
    if (e.min >= 0 && e.max > 32 && e.max <= 255)
      warnings.push_back(
          {"W22", fmt::format("the data look unnormalised: values of {:g} to {:g} for input {}; "
                              "most models expect about -3 to 3 (--preprocess, --mean, --std)",
                              e.min, e.max, base::quoted(name))});
  if (data.skipped() > 0)
    warnings.push_back({"W24", fmt::format("{} bad {} left out", data.skipped(),
                                           data.skipped() == 1 ? "item" : "items")});
  return warnings;
}

}  // namespace tersor::calib

#include "quant/algorithms/equalize.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <map>
#include <mutex>
#include <span>

#include "quant/algorithms/seams.h"
#include "runtime/pool.h"

namespace tersor::quant {
namespace {

// Exponents of one channel, at most: further apart, numbers are noise.
constexpr int kLargestShift = 20;
// What is this far below the median of its kind counts as so much: an estimate of a channel that
// (nearly) vanishes says nothing.
constexpr double kLeastShare = 0x1p-14;

double median(std::vector<double> v) {
  if (v.empty()) return 0;
  const auto middle = v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2);
  std::ranges::nth_element(v, middle);
  return *middle;
}

// body(begin, end) for parts of `count` items of `each` numbers, which the threads share.
template <typename Body>
void in_parts(runtime::ThreadPool& pool, int64_t count, int64_t each, const Body& body) {
  constexpr int64_t kWorthwhile = 1 << 14;
  pool.parallel_for(count, kWorthwhile / std::max<int64_t>(each, 1),
                    [&](int64_t begin, int64_t end, int) { body(begin, end); });
}

// The weights of one operator, summed up over taps: [outputs, inputs of a group].
struct Norms {
  int64_t outputs = 0, inputs = 0, inputs_per_output = 0, outputs_per_group = 0;

  // Refers to the weights.
  Norms(const WeightView& view, runtime::ThreadPool& pool, int64_t spread = 1) {
    outputs = view.outputs;
    inputs = view.inputs / spread;
    inputs_per_output = view.inputs_per_output / spread;
    outputs_per_group = view.outputs / view.groups;
    const bool outputs_first = view.form == WeightView::Form::kOutputsFirst;
    // Taps, and inputs that count as one, are neighbours.
    const int64_t neighbours = view.taps * spread;
    const float* w = view.weight->data<float>().data();
    if (outputs_first && neighbours == 1) {
      single_ = w;
      return;
    }
    square_.assign(static_cast<size_t>(outputs * inputs_per_output), 0.0F);
    largest_ = square_;
    const auto add = [&](size_t at, const float* run, int64_t count) {
      float sum = square_[at], most = largest_[at];
      for (int64_t i = 0; i < count; ++i) {
        sum += run[i] * run[i];
        most = std::max(most, std::fabs(run[i]));
      }
      square_[at] = sum;
      largest_[at] = most;
    };
    if (outputs_first) {
      in_parts(pool, outputs, inputs_per_output * neighbours, [&](int64_t begin, int64_t end) {
        for (int64_t at = begin * inputs_per_output; at < end * inputs_per_output; ++at)
          add(static_cast<size_t>(at), w + at * neighbours, neighbours);
      });
      return;
    }
    view.each_run([&](size_t first, size_t count, int64_t out, int64_t in) {
      const int64_t within = in / spread % inputs_per_output;
      add(static_cast<size_t>(out * inputs_per_output + within), w + first,
          static_cast<int64_t>(count));
    });
  }
  double square(size_t i) const {
    return static_cast<double>(single_ ? single_[i] * single_[i] : square_[i]);
  }
  double largest(size_t i) const {
    return static_cast<double>(single_ ? std::fabs(single_[i]) : largest_[i]);
  }
  int64_t first_input(int64_t out) const { return out / outputs_per_group * inputs_per_output; }
  // visit(element, input channel) of one output.
  template <typename F>
  void each(int64_t out, F&& visit) const {
    const int64_t first = first_input(out);
    for (int64_t c = 0; c < inputs_per_output; ++c)
      visit(static_cast<size_t>(out * inputs_per_output + c), static_cast<size_t>(first + c));
  }

 private:
  const float* single_ = nullptr;  // the weights themselves, where there is nothing to sum up
  std::vector<float> square_, largest_;
};

// About the largest number that each channel of a seam holds. The numbers that enter `first` have
// the magnitudes `in`, up to a common factor that is unknown: such that a channel's spread is about
// its bias, as a BatchNormalization makes it.
std::vector<double> magnitudes(const Seam& seam, const WeightView& first,
                               const std::vector<double>& in, runtime::ThreadPool& pool) {
  const Norms norms(first, pool);
  std::vector<double> spread(static_cast<size_t>(first.outputs), 0.0), ratios, out;
  in_parts(pool, norms.outputs, norms.inputs_per_output, [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      double sum = 0;
      norms.each(o, [&](size_t i, size_t c) {
        sum += norms.square(i) * (in.empty() ? 1.0 : in[c] * in[c]);
      });
      spread[static_cast<size_t>(o)] = std::sqrt(sum);
    }
  });
  const auto bias = [&](size_t o) {
    return first.bias ? static_cast<double>(first.bias->data<float>()[o]) : 0.0;
  };
  for (size_t o = 0; o < spread.size(); ++o)
    if (spread[o] > 0 && bias(o) != 0) ratios.push_back(std::fabs(bias(o)) / spread[o]);
  const double unit = ratios.empty() ? 1.0 : median(ratios);
  for (size_t o = 0; o < spread.size(); ++o) {
    const double deviation = unit * spread[o];
    const double reach = 3 * deviation + (seam.rectified ? bias(o) : std::fabs(bias(o)));
    out.push_back(std::min(std::max(reach, deviation), static_cast<double>(seam.ceiling)));
  }
  return out;
}

// Raises what is far below the median.
void raise_least(std::vector<double>& v) {
  std::vector<double> positive;
  for (double x : v)
    if (x > 0) positive.push_back(x);
  const double least = median(std::move(positive)) * kLeastShare;
  for (double& x : v) x = std::max(x, least);
}

class Pair {
 public:
  Pair(const Seam& seam, const WeightView& first, const WeightView& second,
       std::vector<double> held, bool per_channel, runtime::ThreadPool& pool)
      : seam_(seam),
        first_(first),
        pool_(pool),
        second_(second, pool, seam.spread),
        taps_(static_cast<double>(second.taps * seam.spread)),
        held_(std::move(held)),
        per_channel_(per_channel) {
    raise_least(held_);
    // How much each channel matters to the outputs, as a share of their power.
    weight_.assign(held_.size(), 0.0);
    signal_.assign(static_cast<size_t>(second_.outputs), 0.0);
    in_parts(pool_, second_.outputs, second_.inputs_per_output, [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o)
        second_.each(o, [&](size_t i, size_t c) {
          signal_[static_cast<size_t>(o)] += second_.square(i) * held_[c] * held_[c];
        });
    });
    // Each thread has some of the inputs of every group.
    in_parts(pool_, second_.inputs_per_output, second_.outputs, [&](int64_t begin, int64_t end) {
      for (int64_t o = 0; o < second_.outputs; ++o) {
        const double signal = signal_[static_cast<size_t>(o)];
        if (!(signal > 0)) continue;
        const auto row = static_cast<size_t>(o * second_.inputs_per_output);
        double* weight = weight_.data() + second_.first_input(o);
        for (int64_t k = begin; k < end; ++k)
          weight[k] += second_.square(row + static_cast<size_t>(k)) / signal;
      }
    });
    for (double& w : weight_) w = std::sqrt(w);
    raise_least(weight_);
  }

  // What rounding adds to the outputs of `second`, as a share of their power, up to a factor.
  double cost(const std::vector<int>& shift) const {
    double top = 0, power = 0;
    std::vector<double> up(held_.size()), power_of(held_.size());
    for (size_t c = 0; c < held_.size(); ++c) {
      const double now = std::ldexp(held_[c], -shift[c]);
      up[c] = std::ldexp(1.0, shift[c]);
      power_of[c] = now * now;
      top = std::max(top, now);
      power += now * now;
    }
    const double step = top / 255;
    std::vector<double> squares(signal_.size()), largest(signal_.size());
    in_parts(pool_, second_.outputs, second_.inputs_per_output, [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) {
        double sum = 0, most = 0;
        second_.each(o, [&](size_t i, size_t c) {
          sum += second_.square(i) * up[c] * up[c];
          most = std::max(most, second_.largest(i) * up[c]);
        });
        squares[static_cast<size_t>(o)] = sum;
        largest[static_cast<size_t>(o)] = most;
      }
    });
    const double largest_of_all = std::ranges::max(largest);
    double all = 0, entering = 0;
    int64_t counted = 0;
    for (size_t o = 0; o < signal_.size(); ++o) {
      if (static_cast<int64_t>(o) % second_.outputs_per_group == 0) {
        entering = 0;
        second_.each(static_cast<int64_t>(o), [&](size_t, size_t c) { entering += power_of[c]; });
      }
      if (!(signal_[o] > 0)) continue;
      const double weight_step = (per_channel_ ? largest[o] : largest_of_all) / 127;
      all += (step * step * squares[o] * kPeak + weight_step * weight_step * taps_ * entering) /
             signal_[o];
      ++counted;
    }
    return counted ? all / static_cast<double>(counted) + own_cost(shift) : 0;
  }

  // Exponents for s = held^share / weight^(1 - share), which keep the model exact.
  std::vector<int> shifts(double share) const {
    std::vector<double> wish(held_.size());
    for (size_t c = 0; c < wish.size(); ++c)
      wish[c] = share * std::log2(held_[c]) - (1 - share) * std::log2(weight_[c]);
    std::vector<double> anchors;
    for (size_t c = 0; c < wish.size(); ++c)
      if (fixed(c)) anchors.push_back(wish[c]);
    const double origin = std::round(median(anchors.empty() ? wish : std::move(anchors)));
    std::vector<int> shift(wish.size());
    for (size_t c = 0; c < wish.size(); ++c) {
      if (fixed(c)) continue;
      const double rounded = std::nearbyint(wish[c] - origin);
      int e = static_cast<int>(std::clamp<double>(rounded, -kLargestShift, kLargestShift));
      if (!seam_.bound.empty() && seam_.bound[c] > 0)
        e = std::max(e, static_cast<int>(std::ceil(
                            std::log2(seam_.bound[c] / static_cast<double>(seam_.ceiling)))));
      shift[c] = e;
    }
    return shift;
  }

 private:
  // A Clip that may cut this channel: it keeps its unit.
  bool fixed(size_t c) const {
    return !seam_.bound.empty() && !(seam_.bound[c] <= static_cast<double>(seam_.ceiling));
  }
  // Of the weights of `first`, where they share one scale.
  double own_cost(const std::vector<int>& shift) const {
    if (per_channel_) return 0;
    const Norms norms(first_, pool_);
    double top = 0, all = 0;
    std::vector<double> square(shift.size(), 0.0);
    for (int64_t o = 0; o < norms.outputs; ++o)
      norms.each(o, [&](size_t i, size_t) {
        const auto out = static_cast<size_t>(o);
        top = std::max(top, std::ldexp(norms.largest(i), -shift[out]));
        square[out] += std::ldexp(norms.square(i), -2 * shift[out]);
      });
    const double step = top / 127;
    const double count = static_cast<double>(norms.inputs_per_output * first_.taps);
    for (double s : square)
      if (s > 0) all += std::min(step * step * count / s, 1.0);
    return all / static_cast<double>(square.size());
  }

  // Power of the largest number over the mean power.
  static constexpr double kPeak = 9;
  const Seam& seam_;
  const WeightView& first_;
  runtime::ThreadPool& pool_;
  Norms second_;
  double taps_;
  std::vector<double> held_, weight_, signal_;
  bool per_channel_;
};

// Which powers of two some floats can be multiplied by without rounding.
class Exponents {
 public:
  void add(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value) & 0x7fffffff;
    if (bits == 0) return;
    // value = fraction * 2^exponent, its last bit that is set at 2^lowest.
    const uint32_t stored = bits >> 23, fraction = (bits & 0x7fffff) | (stored ? 0x800000 : 0);
    const int exponent = static_cast<int>(std::max(stored, 1U)) - 150;
    lowest_ = std::min(lowest_, exponent + std::countr_zero(fraction));
    highest_ = std::max(highest_, exponent + static_cast<int>(std::bit_width(fraction)));
  }
  bool allow(int shift) const {
    constexpr int kSmallest = -149, kBeyond = 128;
    return highest_ == kNone || (lowest_ + shift >= kSmallest && highest_ + shift <= kBeyond);
  }

 private:
  static constexpr int kNone = -100000;
  int lowest_ = -kNone, highest_ = kNone;
};

// Of each channel of a seam: before it, of the weights and bias of `first`, behind it of `second`.
class SeamExponents {
 public:
  SeamExponents(const Seam& seam, const WeightView& w1, const WeightView& w2,
                runtime::ThreadPool& pool)
      : first_(static_cast<size_t>(seam.channels)), second_(first_) {
    const auto a = w1.weight->data<float>(), b = w2.weight->data<float>();
    // Mostly, all numbers are far from where floats end.
    if (allows_all(a, pool) && allows_all(b, pool) &&
        (!w1.bias || allows_all(w1.bias->data<float>(), pool)))
      return;
    w1.each([&](size_t i, int64_t out, int64_t) { first_[static_cast<size_t>(out)].add(a[i]); });
    w2.each([&](size_t i, int64_t, int64_t in) {
      second_[static_cast<size_t>(in / seam.spread)].add(b[i]);
    });
    for (size_t c = 0; c < first_.size() && w1.bias; ++c) first_[c].add(w1.bias->data<float>()[c]);
  }
  // Dividing what is before channel c by 2^shift, and multiplying what is behind it.
  bool allow(size_t c, int shift) const {
    return first_[c].allow(-shift) && second_[c].allow(shift);
  }

 private:
  static bool allows_all(std::span<const float> values, runtime::ThreadPool& pool) {
    // Bits of magnitudes: they are ordered as these.
    constexpr int32_t kMost = 0x7fffffff;
    int32_t least = kMost, most = 0;
    std::mutex mutex;
    in_parts(pool, static_cast<int64_t>(values.size()), 1, [&](int64_t begin, int64_t end) {
      constexpr int64_t kLanes = 8;
      std::array<int32_t, kLanes> low, high{};
      low.fill(kMost);
      const auto look = [&](int64_t i, size_t lane) {
        const int32_t bits = std::bit_cast<int32_t>(values[static_cast<size_t>(i)]) & kMost;
        low[lane] = std::min(low[lane], bits ? bits : kMost);
        high[lane] = std::max(high[lane], bits);
      };
      int64_t i = begin;
      for (; i + kLanes <= end; i += kLanes)
        for (size_t lane = 0; lane < kLanes; ++lane) look(i + static_cast<int64_t>(lane), lane);
      for (; i < end; ++i) look(i, 0);
      const std::lock_guard lock(mutex);
      least = std::min(least, std::ranges::min(low));
      most = std::max(most, std::ranges::max(high));
    });
    // Exponents as stored; a fraction has 23 bits.
    constexpr int32_t kRoom = kLargestShift + 23;
    return least >> 23 > kRoom && (most >> 23) + kLargestShift < 255;
  }

  std::vector<Exponents> first_, second_;
};

Tensor copy_of(const Tensor& t) {
  return Tensor::of<float>(t.dims(),
                           std::vector<float>(t.data<float>().begin(), t.data<float>().end()));
}

class Equalizer {
 public:
  Equalizer(ir::Model& model, Equalize how, bool per_channel, int threads)
      : model_(model), g_(model.graph), how_(how), per_channel_(per_channel), pool_(threads) {}

  std::vector<Equalized> run() {
    std::vector<Equalized> done;
    const std::vector<Seam> seams = find_seams(model_);
    for (const Seam& seam : seams)
      if (auto e = join(seam)) done.push_back(std::move(*e));
    if (!done.empty()) g_.drop_unused_values();
    return done;
  }

 private:
  std::optional<Equalized> join(const Seam& seam) {
    const auto first = weight_view(g_, g_.nodes[seam.first]),
               second = weight_view(g_, g_.nodes[seam.second]);
    const auto known = held_.find(seam.first);
    std::vector<double> held = magnitudes(
        seam, *first, known == held_.end() ? std::vector<double>{} : known->second, pool_);
    const Pair pair(seam, *first, *second, held, per_channel_, pool_);
    const std::vector<int> nothing(held.size(), 0);
    std::vector<int> best = nothing;
    const double before = pair.cost(nothing);
    double after = before;
    const SeamExponents exponents(seam, *first, *second, pool_);
    for (double share : {0.5, 0.75, 1.0, 0.25}) {
      std::vector<int> shift = pair.shifts(share);
      keep_exact(exponents, shift);
      // The first of them unless another is clearly better.
      if (const double c = pair.cost(shift); c < after * 0.9) {
        after = c;
        best = std::move(shift);
      }
    }
    const double gain = after > 0 ? 10 * std::log10(before / after) : 0;
    const bool wanted = how_ == Equalize::kOn ? gain > 0 : gain >= kWorthwhileDb;
    if (!wanted) best = nothing;
    if (best != nothing) change(seam, *first, *second, best);
    for (size_t c = 0; c < held.size(); ++c) held[c] = std::ldexp(held[c], -best[c]);
    if (seam.spread == 1) held_[seam.second] = std::move(held);
    if (best == nothing) return {};
    const auto [lo, hi] = std::ranges::minmax(best);
    return Equalized{g_.nodes[seam.first].name,
                     g_.nodes[seam.second].name,
                     seam.channels,
                     std::ranges::count_if(best, [](int e) { return e != 0; }),
                     lo,
                     hi,
                     gain};
  }

  // Channels whose numbers would become too large or too small stay as they are.
  static void keep_exact(const SeamExponents& exponents, std::vector<int>& shift) {
    for (size_t c = 0; c < shift.size(); ++c)
      if (!exponents.allow(c, shift[c])) shift[c] = 0;
  }

  void change(const Seam& seam, const WeightView& first, const WeightView& second,
              const std::vector<int>& shift) {
    Tensor w1 = copy_of(*first.weight), w2 = copy_of(*second.weight);
    const auto to1 = w1.mutable_data<float>(), to2 = w2.mutable_data<float>();
    first.each([&](size_t i, int64_t out, int64_t) {
      to1[i] = std::ldexp(to1[i], -shift[static_cast<size_t>(out)]);
    });
    second.each([&](size_t i, int64_t, int64_t in) {
      to2[i] = std::ldexp(to2[i], shift[static_cast<size_t>(in / seam.spread)]);
    });
    std::optional<Tensor> b1;
    if (first.bias) {
      b1 = copy_of(*first.bias);
      const auto to = b1->mutable_data<float>();
      for (size_t c = 0; c < to.size(); ++c) to[c] = std::ldexp(to[c], -shift[c]);
    }
    replace(seam.first, 1, std::move(w1));
    if (b1) replace(seam.first, 2, std::move(*b1));
    replace(seam.second, 1, std::move(w2));
    rename(g_.nodes[seam.first].outputs[0]);
    for (ir::NodeId n : seam.between) rename(g_.nodes[n].outputs[0]);
  }
  // Another node may share the constant.
  void replace(ir::NodeId n, size_t input, Tensor t) {
    const ir::ValueId old = g_.nodes[n].inputs[input];
    g_.nodes[n].inputs[input] = g_.add_constant(named(old), std::move(t));
  }
  std::string named(ir::ValueId v) const {
    constexpr std::string_view kMark = "_equalized";
    const std::string& name = g_.values[v].name;
    return g_.fresh_name(name.ends_with(kMark) ? name : name + std::string(kMark));
  }
  void rename(ir::ValueId v) {
    g_.values[v].name = named(v);
    g_.values[v].declared = false;
  }

  ir::Model& model_;
  ir::Graph& g_;
  Equalize how_;
  bool per_channel_;
  runtime::ThreadPool pool_;
  std::map<ir::NodeId, std::vector<double>> held_;  // magnitudes that enter a node
};

}  // namespace

std::vector<Equalized> equalize(ir::Model& model, Equalize how, bool per_channel, int threads) {
  if (how == Equalize::kOff) return {};
  return Equalizer(model, how, per_channel, threads).run();
}

int64_t equalizable(const ir::Model& model) {
  return static_cast<int64_t>(find_seams(model).size());
}

}  // namespace tersor::quant

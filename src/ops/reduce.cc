// ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum
// ReduceLogSumExp ReduceSumSquare. Axes: an attribute, or an input (ReduceSum from 13, the others
// from 18); none means all, unless noop_with_empty_axes. Floats of at most 32 bits are summed in
// double.
#include "kernels/reduce/reduce.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "ops/detail/arguments.h"
#include "ops/detail/bind.h"
#include "ops/detail/dispatch.h"
#include "ops/detail/walk.h"

namespace tersor::ops {
namespace {

using namespace detail;

// Which axes are reduced; nullopt if that is not known yet.
std::optional<std::vector<bool>> reduced_axes(const ir::Node& node, int rank,
                                              const std::optional<std::vector<int64_t>>& list) {
  if (!list) return {};
  if (list->empty())
    return std::vector<bool>(static_cast<size_t>(rank),
                             node.attr_int("noop_with_empty_axes", 0) == 0);
  std::vector<bool> reduced(static_cast<size_t>(rank), false);
  for (int64_t a : *list) reduced[static_cast<size_t>(normalize_axis(a, rank))] = true;
  return reduced;
}

void infer(InferContext& c) {
  const bool keep = c.node.attr_int("keepdims", 1) != 0;
  if (!c.shape(0)) return c.out(0, c.elem(0));
  const auto reduced = reduced_axes(c.node, c.rank(0), ints(c, 1, "axes"));
  if (!reduced)
    return c.out(0, c.elem(0), keep ? std::optional(ir::Shape(c.shape(0)->size())) : std::nullopt);
  ir::Shape out;
  for (size_t i = 0; i < reduced->size(); ++i) {
    if (!(*reduced)[i])
      out.push_back((*c.shape(0))[i]);
    else if (keep)
      out.emplace_back(1);
  }
  c.out(0, c.elem(0), std::move(out));
  // A product of dimensions, as exported for flattening.
  if (c.node.op == "ReduceProd" && c.rank(0) == 1 && (*reduced)[0])
    if (const auto v = elements(c, 0)) c.set_contents(0, {product(*v)});
}

// One reduction: State start(); add(state, x); merge(state, other); finish(state, count).
template <typename T>
using sum_t = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;

template <typename T>
struct SumOf {
  using State = sum_t<T>;
  static State start() { return 0; }
  static void add(State& s, T x) { s += static_cast<State>(x); }
  static void merge(State& s, State o) { s += o; }
  static T finish(State s, int64_t) { return static_cast<T>(s); }
};
template <typename T>
struct MeanOf : SumOf<T> {
  static T finish(sum_t<T> s, int64_t n) {
    if constexpr (std::is_integral_v<T>) {
      using Wide = std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>;
      return n == 0 ? T{0} : static_cast<T>(static_cast<Wide>(s) / static_cast<Wide>(n));
    } else {
      return static_cast<T>(s / static_cast<double>(n));
    }
  }
};
template <typename T>
struct SumSquareOf : SumOf<T> {
  static void add(sum_t<T>& s, T x) { s += static_cast<sum_t<T>>(x) * static_cast<sum_t<T>>(x); }
};
template <typename T>
struct L1Of : SumOf<T> {
  static void add(sum_t<T>& s, T x) {
    s += x < 0 ? 0 - static_cast<sum_t<T>>(x) : static_cast<sum_t<T>>(x);
  }
};
template <typename T>
struct L2Of : SumSquareOf<T> {
  static T finish(sum_t<T> s, int64_t) { return static_cast<T>(std::sqrt(static_cast<double>(s))); }
};
template <typename T>
struct LogSumOf : SumOf<T> {
  static T finish(sum_t<T> s, int64_t) {
    using Wide = std::conditional_t<std::is_integral_v<T>, int64_t, double>;
    return static_cast<T>(std::log(static_cast<double>(static_cast<Wide>(s))));
  }
};
// The largest element and the sum of exponentials relative to it, in one pass.
template <typename T>
struct LogSumExpOf {
  struct State {
    double largest = -std::numeric_limits<double>::infinity(), sum = 0;
  };
  static State start() { return {}; }
  static void add(State& s, T value) {
    const auto x = static_cast<double>(value);
    if (x <= s.largest) {
      s.sum += x == s.largest ? 1 : std::exp(x - s.largest);
    } else {
      s.sum = s.sum * std::exp(s.largest - x) + 1;
      s.largest = x;
    }
  }
  static void merge(State& s, const State& o) {
    if (o.largest == -std::numeric_limits<double>::infinity()) return;
    if (s.largest < o.largest) {
      s.sum = s.sum * std::exp(s.largest - o.largest) + o.sum;
      s.largest = o.largest;
    } else {
      s.sum += o.sum * std::exp(o.largest - s.largest);
    }
  }
  static T finish(State s, int64_t) {
    return static_cast<T>(std::isinf(s.largest) ? s.largest : s.largest + std::log(s.sum));
  }
};
template <typename T>
struct ProdOf {
  using State = sum_t<T>;
  static State start() { return 1; }
  static void add(State& s, T x) { s *= static_cast<State>(x); }
  static void merge(State& s, State o) { s *= o; }
  static T finish(State s, int64_t) { return static_cast<T>(s); }
};
template <typename T>
struct MaxOf {
  using State = T;
  using Limits = std::numeric_limits<T>;
  static State start() { return Limits::has_infinity ? -Limits::infinity() : Limits::lowest(); }
  static void add(State& s, T x) { s = x > s || x != x ? x : s; }
  static void merge(State& s, State o) { add(s, o); }
  static T finish(State s, int64_t) { return s; }
};
template <typename T>
struct MinOf {
  using State = T;
  using Limits = std::numeric_limits<T>;
  static State start() { return Limits::has_infinity ? Limits::infinity() : Limits::max(); }
  static void add(State& s, T x) { s = x < s || x != x ? x : s; }
  static void merge(State& s, State o) { add(s, o); }
  static T finish(State s, int64_t) { return s; }
};

struct Plan {
  Dims out_dims;  // of the result
  Dims kept, kept_strides, reduced, reduced_strides;
};

Plan plan_of(const ComputeContext& c) {
  const Tensor& x = c.in(0);
  const auto which = *reduced_axes(c.node, x.rank(), ints(c, 1, "axes"));
  const bool keep = c.node.attr_int("keepdims", 1) != 0;
  const Dims strides = strides_of(x.dims());
  Plan p;
  for (size_t i = 0; i < which.size(); ++i) {
    if (which[i]) {
      p.reduced.push_back(x.dims()[i]);
      p.reduced_strides.push_back(strides[i]);
      if (keep) p.out_dims.push_back(1);
    } else {
      p.kept.push_back(x.dims()[i]);
      p.kept_strides.push_back(strides[i]);
      p.out_dims.push_back(x.dims()[i]);
    }
  }
  return p;
}

template <template <typename> typename R, typename T, typename Load>
void run(const Plan& p, const T* x, T* y, Load from, auto to) {
  using Rule = R<decltype(from(*x))>;
  const int64_t n = base::element_count(p.reduced);
  walk<1>(p.kept, {p.kept_strides}, [&](const std::array<int64_t, 1>& base) {
    auto state = Rule::start();
    walk<1>(p.reduced, {p.reduced_strides},
            [&](const std::array<int64_t, 1>& o) { Rule::add(state, from(x[base[0] + o[0]])); });
    *y++ = to(Rule::finish(state, n));
  });
}

template <template <typename> typename R>
void reference(ComputeContext& c) {
  const Tensor& x = c.in(0);
  const auto list = ints(c, 1, "axes");
  if (list.empty() && c.node.attr_int("noop_with_empty_axes", 0) != 0 &&
      (c.node.op == "ReduceSum" || c.node.op == "ReduceMean" || c.node.op == "ReduceMax" ||
       c.node.op == "ReduceMin" || c.node.op == "ReduceProd")) {
    c.outputs[0] = x;
    return;
  }
  const Plan p = plan_of(c);
  if (x.dtype() == DType::kBool) {  // ReduceMax and ReduceMin from 20
    const auto in = bool_bytes(x);
    Tensor& y = c.out(0, x.dtype(), p.out_dims);
    return run<R>(
        p, in.data(), bool_bytes(y).data(), [](uint8_t v) { return static_cast<uint8_t>(v != 0); },
        [](uint8_t v) { return static_cast<uint8_t>(v != 0); });
  }
  dispatch_numeric(x.dtype(), [&]<typename T>() {
    Tensor& y = c.out(0, x.dtype(), p.out_dims);
    run<R>(
        p, x.data<T>().data(), y.mutable_data<T>().data(), [](T v) { return load(v); },
        [](arithmetic_t<T> v) { return store<T>(v); });
  });
}

// ---- binding -----------------------------------------------------------------------------------

// Reduced axes that lie side by side: the tensor is [outer, length, inner], reduced over length.
std::optional<AxisSplit> side_by_side(const Dims& dims, const std::vector<bool>& reduced) {
  AxisSplit s{1, 1, 1};
  int part = 0;  // before, in, behind the reduced axes
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 1) continue;
    if (reduced[i] ? part == 2 : false) return {};
    if (reduced[i])
      part = 1;
    else if (part == 1)
      part = 2;
    int64_t& n = part == 0 ? s.outer : part == 1 ? s.length : s.inner;
    n = base::checked_mul(n, dims[i]);
  }
  return s;
}

template <typename Rule, typename T>
auto reduce_line(const T* x, int64_t n) {
  auto s = std::array{Rule::start(), Rule::start(), Rule::start(), Rule::start()};
  int64_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (size_t k = 0; k < 4; ++k) Rule::add(s[k], x[i + static_cast<int64_t>(k)]);
  for (; i < n; ++i) Rule::add(s[0], x[i]);
  Rule::merge(s[0], s[1]);
  Rule::merge(s[2], s[3]);
  Rule::merge(s[0], s[2]);
  return s[0];
}

// y = finish(state) for each outer and inner index.
template <typename Rule, typename T, typename Out, typename Finish>
void reduce_blocks(runtime::ThreadPool& pool, const T* x, Out* y, const AxisSplit& s,
                   Finish finish) {
  if (s.inner == 1) {
    const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(s.length, 1));
    pool.parallel_for(s.outer, grain, [&](int64_t begin, int64_t end, int) {
      for (int64_t o = begin; o < end; ++o)
        y[o] = finish(reduce_line<Rule>(x + o * s.length, s.length));
    });
    return;
  }
  constexpr int64_t kChunk = 128;
  const int64_t chunks = (s.inner + kChunk - 1) / kChunk;
  const int64_t grain = std::max<int64_t>(1, 256 / std::max<int64_t>(s.length, 1));
  pool.parallel_for(s.outer * chunks, grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t p = begin; p < end; ++p) {
      const int64_t o = p / chunks, first = p % chunks * kChunk;
      const int64_t n = std::min(kChunk, s.inner - first);
      std::array<decltype(Rule::start()), kChunk> state;
      state.fill(Rule::start());
      const T* from = x + o * s.length * s.inner + first;
      for (int64_t k = 0; k < s.length; ++k, from += s.inner)
        for (int64_t i = 0; i < n; ++i) Rule::add(state[static_cast<size_t>(i)], from[i]);
      for (int64_t i = 0; i < n; ++i)
        y[o * s.inner + first + i] = finish(state[static_cast<size_t>(i)]);
    }
  });
}

using kernels::reduce::Reduction;

// The kernel of a rule on float32, if there is one.
template <template <typename> typename R>
constexpr std::optional<Reduction> kernel_of() {
  using Rule = R<float>;
  if (std::is_same_v<Rule, SumOf<float>>) return Reduction::sum;
  if (std::is_same_v<Rule, MeanOf<float>>) return Reduction::mean;
  if (std::is_same_v<Rule, MaxOf<float>>) return Reduction::max;
  if (std::is_same_v<Rule, MinOf<float>>) return Reduction::min;
  if (std::is_same_v<Rule, SumSquareOf<float>>) return Reduction::sum_squares;
  if (std::is_same_v<Rule, L1Of<float>>) return Reduction::sum_magnitudes;
  if (std::is_same_v<Rule, ProdOf<float>>) return Reduction::product;
  return {};
}

// Shared among threads by outer index or, where there is only one, by columns.
void run_kernel(runtime::ThreadPool& pool, kernels::reduce::Function run, const float* x, float* y,
                const AxisSplit& s) {
  auto whole = kernels::reduce::Shape::dense(s.outer, s.length, s.inner);
  const int64_t per = std::max<int64_t>(1, s.length * s.inner);
  if (s.outer > 1 || s.inner == 1) {
    pool.parallel_for(s.outer, std::max<int64_t>(1, 32768 / per),
                      [&](int64_t begin, int64_t end, int) {
                        auto part = whole;
                        part.outer = end - begin;
                        run(x + begin * part.x_outer, y + begin * part.y_outer, part);
                      });
    return;
  }
  pool.parallel_for(s.inner, std::max<int64_t>(64, 32768 / std::max<int64_t>(1, s.length)),
                    [&](int64_t begin, int64_t end, int) {
                      auto part = whole;
                      part.inner = end - begin;
                      run(x + begin, y + begin, part);
                    });
}

// Sums of 8-bit codes, exact.
template <typename T>
struct CodeSum {
  static int32_t start() { return 0; }
  static void add(int32_t& s, T x) { s += x; }
  static void merge(int32_t& s, int32_t o) { s += o; }
};

// Sum and mean of 8-bit wires: exact in integers, one rounding to the output's codes.
template <typename T>
void reduce_codes(runtime::StepContext& c, const AxisSplit& s, Tensor& y, const ByteFormat& in,
                  const ByteFormat& out, bool mean) {
  const auto n = static_cast<double>(s.length);
  const double scale = static_cast<double>(in.scale) / (mean ? n : 1.0);
  const int64_t zero = static_cast<int64_t>(in.zero) * s.length;
  reduce_blocks<CodeSum<T>>(
      *c.pool, c.in(0).data<T>().data(), reinterpret_cast<uint8_t*>(y.raw_mutable()), s,
      [&](int32_t sum) {
        return out.code(static_cast<float>(static_cast<double>(sum - zero) * scale));
      });
}

// What is reduced, when it is known at binding: the node with physical axes, and their mask.
std::optional<std::pair<Adapted, std::vector<bool>>> known_axes(const ir::Node& node,
                                                                const runtime::BindContext& c) {
  const int rank = c.in(0).rank;
  if (rank < 0 || (c.has(1) && !c.in(1).constant)) return {};
  std::vector<int64_t> list =
      c.has(1) ? tensor::to_int64s(*c.in(1).constant) : node.attr_ints("axes");
  if (list.empty() && node.attr_int("noop_with_empty_axes", 0) != 0) return {};
  Adapted as{node};
  if (channels_last(c.in(0)) && !list.empty()) {
    for (int64_t& a : list) a = physical_axis(normalize_axis(a, rank), rank);
    if (c.has(1))
      as.replaced.emplace_back(1, Tensor::vector(list));
    else
      as.node.set("axes", list);
  }
  return std::pair{std::move(as), *reduced_axes(node, rank, list)};
}

template <template <typename> typename R>
std::optional<runtime::Bound> bind(const ir::Node& node, const runtime::BindContext& c) {
  if (!c.has(0) || !c.has_output(0)) return {};
  const bool keep = node.attr_int("keepdims", 1) != 0;
  if (channels_last(c.outputs[0]) && !keep) return {};
  auto known = known_axes(node, c);
  if (!known) return {};
  auto& [adapted, mask] = *known;
  const bool quantized = c.in(0).quant || c.outputs[0].quant;
  const auto in = byte_format(c.in(0)), out = byte_format(c.outputs[0]);
  constexpr bool kExtreme =
      std::is_same_v<R<float>, MaxOf<float>> || std::is_same_v<R<float>, MinOf<float>>;
  constexpr bool kMean = std::is_same_v<R<float>, MeanOf<float>>;
  constexpr bool kSum = std::is_same_v<R<float>, SumOf<float>>;
  if (quantized && (!in || !out || !(kExtreme || kMean || kSum))) return {};
  if (!quantized && c.in(0).dtype != DType::kFloat32) return {};
  if (quantized && !kExtreme && !side_by_side(Dims(mask.size(), 2), mask)) return {};
  constexpr auto kKernel = kernel_of<R>();
  const auto& table = kernels::reduce::table(c.isa);
  const kernels::reduce::Function run = kKernel ? table.f32(*kKernel) : nullptr;
  const auto general = bind_moves(adapted.node, c, reference<R>, "reduce", adapted);
  if (quantized && kExtreme) return general;
  return runtime::Bound{
      [mask = mask, keep, in, out, quantized, run,
       general = quantized ? runtime::Call() : general->call](runtime::StepContext& step) {
        const Dims& dims = step.in(0).dims();
        Dims to;
        for (size_t i = 0; i < dims.size(); ++i) {
          if (!mask[i])
            to.push_back(dims[i]);
          else if (keep)
            to.push_back(1);
        }
        const auto s = dims.size() == mask.size() ? side_by_side(dims, mask) : std::nullopt;
        // Sums of codes stay in 32 bits.
        if (!s || (quantized && s->length > 1 << 22)) {
          if (!quantized) return general(step);
          return runtime::Status::failure(ErrorKind::kUnsupported, "E11",
                                          "this reduction of 8-bit values is not supported");
        }
        Tensor& y = step.make(0, quantized ? out->dtype() : DType::kFloat32, std::move(to));
        if (quantized) {
          if (in->is_signed)
            reduce_codes<int8_t>(step, *s, y, *in, *out, kMean);
          else
            reduce_codes<uint8_t>(step, *s, y, *in, *out, kMean);
        } else if (run) {
          run_kernel(*step.pool, run, step.in(0).data<float>().data(),
                     y.mutable_data<float>().data(), *s);
        } else {
          using Rule = R<float>;
          reduce_blocks<Rule>(*step.pool, step.in(0).data<float>().data(),
                              y.mutable_data<float>().data(), *s,
                              [&](auto state) { return Rule::finish(state, s->length); });
        }
        return runtime::Status{};
      },
      quantized ? "reduce_u8"
      : run     ? fmt::format("reduce_f32_{}", base::name(table.isa))
                : "reduce_f32",
      quantized};
}

template <template <typename> typename R>
constexpr Operator reduces(const char* name, QuantClass quant = QuantClass::kCombines) {
  return {.name = name,
          .infer = infer,
          .reference = reference<R>,
          .traits = {.quant = quant, .layout = LayoutClass::kAware},
          .bind = bind<R>};
}

}  // namespace

extern const Operator kReduceSum = reduces<SumOf>("ReduceSum");
extern const Operator kReduceMean = reduces<MeanOf>("ReduceMean");
extern const Operator kReduceMax = reduces<MaxOf>("ReduceMax", QuantClass::kMoves);
extern const Operator kReduceMin = reduces<MinOf>("ReduceMin", QuantClass::kMoves);
extern const Operator kReduceProd = reduces<ProdOf>("ReduceProd");
extern const Operator kReduceL1 = reduces<L1Of>("ReduceL1");
extern const Operator kReduceL2 = reduces<L2Of>("ReduceL2");
extern const Operator kReduceLogSum = reduces<LogSumOf>("ReduceLogSum");
extern const Operator kReduceLogSumExp = reduces<LogSumExpOf>("ReduceLogSumExp");
extern const Operator kReduceSumSquare = reduces<SumSquareOf>("ReduceSumSquare");

}  // namespace tersor::ops

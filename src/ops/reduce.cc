// ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp
// ReduceSumSquare. Axes: an attribute, or an input (ReduceSum from 13, the others from 18); none means
// all, unless noop_with_empty_axes. Floats of at most 32 bits are summed in double.
#include <cmath>
#include <limits>

#include "ops/detail/arguments.h"
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
    return std::vector<bool>(static_cast<size_t>(rank), node.attr_int("noop_with_empty_axes", 0) == 0);
  std::vector<bool> reduced(static_cast<size_t>(rank), false);
  for (int64_t a : *list) reduced[static_cast<size_t>(normalize_axis(a, rank))] = true;
  return reduced;
}

void infer(InferContext& c) {
  const bool keep = c.node.attr_int("keepdims", 1) != 0;
  if (!c.shape(0)) return c.out(0, c.elem(0));
  const auto reduced = reduced_axes(c.node, c.rank(0), ints(c, 1, "axes"));
  if (!reduced)
    return c.out(0, c.elem(0),
                 keep ? std::optional(ir::Shape(c.shape(0)->size())) : std::nullopt);
  ir::Shape out;
  for (size_t i = 0; i < reduced->size(); ++i) {
    if (!(*reduced)[i]) out.push_back((*c.shape(0))[i]);
    else if (keep) out.emplace_back(1);
  }
  c.out(0, c.elem(0), std::move(out));
  // A product of dimensions, as exported for flattening.
  if (c.node.op == "ReduceProd" && c.rank(0) == 1 && (*reduced)[0])
    if (const auto v = elements(c, 0)) c.set_contents(0, {product(*v)});
}

// One reduction: State start(); add(state, x); finish(state, count).
template <typename T>
using sum_t = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;

template <typename T>
struct SumOf {
  using State = sum_t<T>;
  static State start() { return 0; }
  static void add(State& s, T x) { s += static_cast<State>(x); }
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
  static T finish(State s, int64_t) {
    return static_cast<T>(std::isinf(s.largest) ? s.largest : s.largest + std::log(s.sum));
  }
};
template <typename T>
struct ProdOf {
  using State = sum_t<T>;
  static State start() { return 1; }
  static void add(State& s, T x) { s *= static_cast<State>(x); }
  static T finish(State s, int64_t) { return static_cast<T>(s); }
};
template <typename T>
struct MaxOf {
  using State = T;
  using Limits = std::numeric_limits<T>;
  static State start() { return Limits::has_infinity ? -Limits::infinity() : Limits::lowest(); }
  static void add(State& s, T x) { s = x > s || x != x ? x : s; }
  static T finish(State s, int64_t) { return s; }
};
template <typename T>
struct MinOf {
  using State = T;
  using Limits = std::numeric_limits<T>;
  static State start() { return Limits::has_infinity ? Limits::infinity() : Limits::max(); }
  static void add(State& s, T x) { s = x < s || x != x ? x : s; }
  static T finish(State s, int64_t) { return s; }
};

struct Plan {
  Dims out_dims;         // of the result
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
    walk<1>(p.reduced, {p.reduced_strides}, [&](const std::array<int64_t, 1>& o) {
      Rule::add(state, from(x[base[0] + o[0]]));
    });
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
    return run<R>(p, in.data(), bool_bytes(y).data(),
                  [](uint8_t v) { return static_cast<uint8_t>(v != 0); },
                  [](uint8_t v) { return static_cast<uint8_t>(v != 0); });
  }
  dispatch_numeric(x.dtype(), [&]<typename T>() {
    Tensor& y = c.out(0, x.dtype(), p.out_dims);
    run<R>(p, x.data<T>().data(), y.mutable_data<T>().data(), [](T v) { return load(v); },
           [](arithmetic_t<T> v) { return store<T>(v); });
  });
}

constexpr Operator reduces(const char* name, void (*reference)(ComputeContext&),
                           QuantClass quant = QuantClass::kCombines) {
  return {.name = name, .infer = infer, .reference = reference, .traits = {.quant = quant}};
}

}  // namespace

extern const Operator kReduceSum = reduces("ReduceSum", reference<SumOf>);
extern const Operator kReduceMean = reduces("ReduceMean", reference<MeanOf>);
extern const Operator kReduceMax = reduces("ReduceMax", reference<MaxOf>, QuantClass::kMoves);
extern const Operator kReduceMin = reduces("ReduceMin", reference<MinOf>, QuantClass::kMoves);
extern const Operator kReduceProd = reduces("ReduceProd", reference<ProdOf>);
extern const Operator kReduceL1 = reduces("ReduceL1", reference<L1Of>);
extern const Operator kReduceL2 = reduces("ReduceL2", reference<L2Of>);
extern const Operator kReduceLogSum = reduces("ReduceLogSum", reference<LogSumOf>);
extern const Operator kReduceLogSumExp = reduces("ReduceLogSumExp", reference<LogSumExpOf>);
extern const Operator kReduceSumSquare = reduces("ReduceSumSquare", reference<SumSquareOf>);

}  // namespace tersor::ops

// ScatterElements (11, 13, 16, 18; Scatter 9) and ScatterND (11, 13, 16, 18): a copy of the data
// with updates put at indices, replacing or combined by `reduction` (none, add, mul, max, min).
#include "ops/detail/arguments.h"
#include "ops/detail/dispatch.h"
#include "ops/detail/move.h"
#include "ops/detail/walk.h"

namespace tersor::ops {
namespace {

using namespace detail;

// Runs of elements from `updates` into a copy of the data.
class Scatter {
 public:
  explicit Scatter(ComputeContext& c)
      : c_(c),
        reduction_(c.node.attr_string("reduction", "none")),
        updates_(c.in(2)),
        y_(c, 0, c.in(0).dtype(), c.in(0).dims()) {
    if (c.in(2).dtype() != c.in(0).dtype())
      base::fail_input("E16", "updates of type {} for data of type {}",
                       tensor::name(c.in(2).dtype()), tensor::name(c.in(0).dtype()));
    y_.copy(0, Source(c.in(0)), 0, y_.count());
  }

  void put(int64_t to, int64_t from, int64_t n) {
    if (reduction_ == "none") return y_.copy(to, updates_, from, n);
    dispatch_numeric(c_.in(0).dtype(), [&]<typename T>() {
      const T* u = c_.in(2).data<T>().data() + from;
      T* y = c_.outputs[0].mutable_data<T>().data() + to;
      for (int64_t i = 0; i < n; ++i)
        y[i] = store<T>(static_cast<arithmetic_t<T>>(combined(load(y[i]), load(u[i]))));
    });
  }

 private:
  template <typename A>
  A combined(A old, A update) const {
    using W = std::conditional_t<std::is_integral_v<A>, uint64_t, A>;
    if (reduction_ == "add") return static_cast<A>(static_cast<W>(old) + static_cast<W>(update));
    if (reduction_ == "mul") return static_cast<A>(static_cast<W>(old) * static_cast<W>(update));
    if (reduction_ == "max") return old > update ? old : update;
    if (reduction_ == "min") return old < update ? old : update;
    base::fail_input("E22", "the reduction of a scatter is {}", base::quoted(reduction_));
  }

  ComputeContext& c_;
  std::string reduction_;
  Source updates_;
  Sink y_;
};

void scatter_elements(ComputeContext& c) {
  const Tensor &x = c.in(0), &i = c.in(1);
  const int axis = normalize_axis(c.node.attr_int("axis", 0), x.rank());
  const auto a = static_cast<size_t>(axis);
  bool fits = i.rank() == x.rank() && i.dims() == c.in(2).dims();
  for (size_t d = 0; fits && d < x.dims().size(); ++d) fits = d == a || i.dims()[d] <= x.dims()[d];
  if (!fits)
    base::fail_input("E17", "indices {} and updates {} do not fit data {}",
                     tensor::to_string(i.dims()), tensor::to_string(c.in(2).dims()),
                     tensor::to_string(x.dims()));
  const std::vector<int64_t> indices = tensor::to_int64s(i);
  Dims strides = strides_of(x.dims());
  const int64_t step = strides[a], length = x.dims()[a];
  strides[a] = 0;
  Scatter y(c);
  int64_t n = 0;
  walk<1>(i.dims(), {strides}, [&](const std::array<int64_t, 1>& o) {
    y.put(o[0] + checked_index(indices[static_cast<size_t>(n)], length) * step, n, 1);
    ++n;
  });
}

void scatter_nd(ComputeContext& c) {
  const Tensor &x = c.in(0), &i = c.in(1);
  if (i.rank() < 1 || i.dims().back() > x.rank())
    base::fail_input("E22", "positions of shape {} do not fit shape {}",
                     tensor::to_string(i.dims()), tensor::to_string(x.dims()));
  const auto depth = static_cast<size_t>(i.dims().back());
  const std::span<const int64_t> xd(x.dims());
  Dims wanted(i.dims().begin(), i.dims().end() - 1);
  const int64_t positions = base::element_count(wanted);
  wanted.insert(wanted.end(), x.dims().begin() + static_cast<std::ptrdiff_t>(depth),
                x.dims().end());
  if (c.in(2).dims() != wanted)
    base::fail_input("E17", "updates of shape {} where {} is needed",
                     tensor::to_string(c.in(2).dims()), tensor::to_string(wanted));
  const Dims strides = strides_of(x.dims());
  const int64_t run = base::element_count(xd.subspan(depth));
  const std::vector<int64_t> indices = tensor::to_int64s(i);
  Scatter y(c);
  if (run == 0) return;
  for (int64_t p = 0; p < positions; ++p) {
    int64_t at = 0;
    for (size_t d = 0; d < depth; ++d)
      at += checked_index(indices[static_cast<size_t>(p) * depth + d], xd[d]) * strides[d];
    y.put(at, p * run, run);
  }
}

constexpr Operator scatters(const char* name, int since, void (*reference)(ComputeContext&)) {
  return {.name = name,
          .since = since,
          .infer = infer_same,
          .reference = reference,
          .traits = {.quant = QuantClass::kCombines, .data_inputs = 5}};
}

}  // namespace

extern const Operator kScatter = scatters("Scatter", 9, scatter_elements);
extern const Operator kScatterElements = scatters("ScatterElements", 11, scatter_elements);
extern const Operator kScatterND = scatters("ScatterND", 11, scatter_nd);

}  // namespace tersor::ops

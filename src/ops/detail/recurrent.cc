#include "ops/detail/recurrent.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "ops/detail/dispatch.h"
#include "ops/detail/widen.h"

namespace tersor::ops::detail {
namespace {

using Kind = CellActivation::Kind;

struct Named {
  const char* name;
  Kind kind;
  bool alpha, beta;      // takes one from the lists
  double alpha0, beta0;  // otherwise
};
constexpr Named kActivations[] = {
    {"sigmoid", Kind::kSigmoid, false, false, 0, 0},
    {"tanh", Kind::kTanh, false, false, 0, 0},
    {"relu", Kind::kRelu, false, false, 0, 0},
    {"affine", Kind::kAffine, true, true, 1, 0},
    {"leakyrelu", Kind::kLeakyRelu, true, false, 0.01, 0},
    {"thresholdedrelu", Kind::kThresholdedRelu, true, false, 1, 0},
    {"scaledtanh", Kind::kScaledTanh, true, true, 1, 1},
    {"hardsigmoid", Kind::kHardSigmoid, true, true, 0.2, 0.5},
    {"elu", Kind::kElu, true, false, 1, 0},
    {"softsign", Kind::kSoftsign, false, false, 0, 0},
    {"softplus", Kind::kSoftplus, false, false, 0, 0},
};

std::vector<CellActivation> read_activations(const ir::Node& node, const CellForm& form,
                                             int64_t directions) {
  std::vector<std::string> names = node.attr_strings("activations");
  if (names.empty())
    for (int64_t d = 0; d < directions; ++d)
      names.insert(names.end(), form.defaults.begin(), form.defaults.end());
  if (names.size() != form.defaults.size() * static_cast<size_t>(directions))
    base::fail_input("E22", "{} activations are named; {} are needed", names.size(),
                     form.defaults.size() * static_cast<size_t>(directions));
  const std::vector<float> alphas = node.attr_floats("activation_alpha"),
                           betas = node.attr_floats("activation_beta");
  size_t a = 0, b = 0;
  std::vector<CellActivation> list;
  for (std::string name : names) {
    std::ranges::transform(name, name.begin(),
                           [](char ch) { return ch >= 'A' && ch <= 'Z' ? char(ch + 32) : ch; });
    const auto* it =
        std::ranges::find_if(kActivations, [&](const Named& n) { return name == n.name; });
    if (it == std::end(kActivations))
      base::fail_input("E22", "there is no activation {}", base::quoted(name));
    CellActivation f{it->kind, it->alpha0, it->beta0};
    if (it->alpha && a < alphas.size()) f.alpha = static_cast<double>(alphas[a++]);
    if (it->beta && b < betas.size()) f.beta = static_cast<double>(betas[b++]);
    list.push_back(f);
  }
  return list;
}

int64_t direction_count(const ir::Node& node) {
  const std::string d = node.attr_string("direction", "forward");
  if (d == "bidirectional") return 2;
  if (d != "forward" && d != "reverse")
    base::fail_input("E22", "attribute direction is {}", base::quoted(d));
  return 1;
}

void expect(const ComputeContext& c, size_t input, const Dims& dims, const char* what) {
  if (c.has(input) && c.in(input).dims() != dims)
    base::fail_input("E17", "{} has shape {}; {} is needed", what,
                     tensor::to_string(c.in(input).dims()), tensor::to_string(dims));
}

// [rows][columns] -> [columns][rows], for each of n matrices.
template <typename T>
std::vector<T> transposed(const T* m, int64_t n, int64_t rows, int64_t columns) {
  std::vector<T> t(static_cast<size_t>(n * rows * columns));
  for (int64_t d = 0; d < n; ++d)
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j)
        t[static_cast<size_t>((d * columns + j) * rows + i)] = m[(d * rows + i) * columns + j];
  return t;
}

template <typename T>
void run(ComputeContext& c, const CellForm& form, MakeCell<T> make) {
  const Recurrence r = read_recurrence(c, form);
  const auto at = [](int i) { return static_cast<size_t>(i); };
  const DType dtype = c.in(0).dtype();
  const int64_t h = r.hidden, gates = form.gates * h;
  const Tensor x = widened<T>(c.in(0)), w = widened<T>(c.in(1)), rec = widened<T>(c.in(2));
  const auto optional = [&](size_t i) { return c.has(i) ? widened<T>(c.in(i)) : Tensor(); };
  const Tensor b = optional(3), h0 = optional(at(form.sequence_input + 1)),
               c0 = form.cell_state ? optional(at(form.sequence_input + 2)) : Tensor(),
               p = form.cell_state ? optional(at(form.sequence_input + 3)) : Tensor();
  const std::vector<T> wt = transposed(w.data<T>().data(), r.directions, gates, r.inputs);
  const std::vector<T> rt = transposed(rec.data<T>().data(), r.directions, gates, h);
  const auto data = [](const Tensor& t) { return t.defined() ? t.data<T>().data() : nullptr; };
  const CellWeights<T> weights{rt.data(), data(b), data(p)};
  const CellStep<T> step = make(c, r, weights);

  const bool reverse_only = c.node.attr_string("direction", "forward") == "reverse";
  const int64_t D = r.directions, B = r.batch, S = r.steps;
  Dims y_dims = r.batch_first ? Dims{B, S, D, h} : Dims{S, D, B, h};
  Dims state_dims = r.batch_first ? Dims{B, D, h} : Dims{D, B, h};
  const auto y_at = [&](int64_t t, int64_t d, int64_t n) {
    return r.batch_first ? ((n * S + t) * D + d) * h : ((t * D + d) * B + n) * h;
  };
  const auto state_at = [&](int64_t d, int64_t n) {
    return r.batch_first ? (n * D + d) * h : (d * B + n) * h;
  };
  const auto x_at = [&](int64_t t, int64_t n) {
    return (r.batch_first ? n * S + t : t * B + n) * r.inputs;
  };
  std::vector<T> y(c.wants(0) ? static_cast<size_t>(S * D * B * h) : 0);
  std::vector<T> last(static_cast<size_t>(D * B * h)), last_cell(form.cell_state ? last.size() : 0);
  std::vector<T> sums(static_cast<size_t>(gates)), now(static_cast<size_t>(h)),
      next(static_cast<size_t>(h)), cell(static_cast<size_t>(h));
  for (int64_t d = 0; d < D; ++d) {
    const bool backward = reverse_only || d == 1;
    for (int64_t n = 0; n < B; ++n) {
      const auto start = [&](const Tensor& initial, std::vector<T>& into) {
        if (initial.defined())
          std::copy_n(initial.data<T>().data() + state_at(d, n), h, into.begin());
        else
          std::ranges::fill(into, T(0));
      };
      start(h0, now);
      start(c0, cell);
      const int64_t length = r.lengths[static_cast<size_t>(n)];
      for (int64_t k = 0; k < length; ++k) {
        const int64_t t = backward ? length - 1 - k : k;
        std::ranges::fill(sums, T(0));
        if (weights.bias) std::copy_n(weights.bias + d * 2 * gates, gates, sums.begin());
        add_product(x.data<T>().data() + x_at(t, n), r.inputs, wt.data() + d * gates * r.inputs,
                    gates, sums.data());
        step(d, sums.data(), now.data(), next.data(), cell.data());
        std::swap(now, next);
        if (!y.empty()) std::copy_n(now.begin(), h, y.begin() + y_at(t, d, n));
      }
      std::copy_n(now.begin(), h, last.begin() + state_at(d, n));
      if (form.cell_state) std::copy_n(cell.begin(), h, last_cell.begin() + state_at(d, n));
    }
  }
  const auto give = [&](size_t i, const Dims& dims, const std::vector<T>& values) {
    if (!c.wants(i)) return;
    WideOutput<T> out(c, i, dtype, dims);
    std::ranges::copy(values, out.begin());
    out.finish();
  };
  give(0, y_dims, y);
  give(1, state_dims, last);
  if (form.cell_state) give(2, state_dims, last_cell);
}

}  // namespace

template <typename T>
T CellActivation::operator()(T x) const {
  const T a = static_cast<T>(alpha), b = static_cast<T>(beta);
  switch (kind) {
    case Kind::kSigmoid:
      return T(1) / (T(1) + std::exp(-x));
    case Kind::kTanh:
      return std::tanh(x);
    case Kind::kRelu:
      return x > 0 ? x : T(0);
    case Kind::kAffine:
      return a * x + b;
    case Kind::kLeakyRelu:
      return x >= 0 ? x : a * x;
    case Kind::kThresholdedRelu:
      return x > a ? x : T(0);
    case Kind::kScaledTanh:
      return a * std::tanh(b * x);
    case Kind::kHardSigmoid:
      return std::clamp(a * x + b, T(0), T(1));
    case Kind::kElu:
      return x >= 0 ? x : a * (std::exp(x) - T(1));
    case Kind::kSoftsign:
      return x / (T(1) + std::abs(x));
    case Kind::kSoftplus:
      return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
  }
  return x;
}
template float CellActivation::operator()(float) const;
template double CellActivation::operator()(double) const;

void infer_recurrent(InferContext& c, const CellForm& form) {
  const bool batch_first = c.node.attr_int("layout", 0) != 0;
  ir::Dim steps, batch, hidden;
  const ir::Dim directions(direction_count(c.node));
  if (const auto& x = c.shape(0); x) {
    if (x->size() != 3) base::fail_input("E17", "input 0 has {} axes; 3 are needed", x->size());
    steps = (*x)[batch_first ? 1 : 0];
    batch = (*x)[batch_first ? 0 : 1];
  }
  if (const auto& r = c.shape(2); r && r->size() == 3) hidden = (*r)[2];
  if (const int64_t h = c.node.attr_int("hidden_size", -1); h > 0) hidden = ir::Dim(h);
  const ir::Shape y = batch_first ? ir::Shape{batch, steps, directions, hidden}
                                  : ir::Shape{steps, directions, batch, hidden};
  const ir::Shape state =
      batch_first ? ir::Shape{batch, directions, hidden} : ir::Shape{directions, batch, hidden};
  const size_t outputs = form.cell_state ? 3 : 2;
  for (size_t i = 0; i < std::min(outputs, c.output_count()); ++i)
    c.out(i, c.elem(0), i == 0 ? y : state);
}

Recurrence read_recurrence(const ComputeContext& c, const CellForm& form) {
  Recurrence r;
  const ir::Node& node = c.node;
  r.batch_first = node.attr_int("layout", 0) != 0;
  r.directions = direction_count(node);
  const Tensor &x = c.in(0), &w = c.in(1), &rec = c.in(2);
  if (x.rank() != 3 || w.rank() != 3 || rec.rank() != 3)
    base::fail_input("E17", "X, W and R need 3 axes; they have {}, {} and {}", x.rank(), w.rank(),
                     rec.rank());
  r.steps = x.dim(r.batch_first ? 1 : 0);
  r.batch = x.dim(r.batch_first ? 0 : 1);
  r.inputs = x.dim(2);
  r.hidden = rec.dim(2);
  if (const int64_t h = node.attr_int("hidden_size", r.hidden); h != r.hidden)
    base::fail_input("E17", "hidden_size is {}; R has {}", h, r.hidden);
  const int64_t gates = form.gates * r.hidden;
  expect(c, 1, {r.directions, gates, r.inputs}, "W");
  expect(c, 2, {r.directions, gates, r.hidden}, "R");
  expect(c, 3, {r.directions, 2 * gates}, "B");
  const size_t s = static_cast<size_t>(form.sequence_input);
  const Dims state =
      r.batch_first ? Dims{r.batch, r.directions, r.hidden} : Dims{r.directions, r.batch, r.hidden};
  expect(c, s, {r.batch}, "sequence_lens");
  expect(c, s + 1, state, "initial_h");
  if (form.cell_state) {
    expect(c, s + 2, state, "initial_c");
    expect(c, s + 3, {r.directions, 3 * r.hidden}, "P");
  }
  r.clip = static_cast<double>(node.attr_float("clip", 0));
  r.activations = read_activations(node, form, r.directions);
  r.lengths.assign(static_cast<size_t>(r.batch), r.steps);
  if (c.has(s)) {
    r.lengths = tensor::to_int64s(c.in(s));
    for (int64_t n : r.lengths)
      if (n < 0 || n > r.steps)
        base::fail_input("E21", "a sequence has length {}; there are {} steps", n, r.steps);
  }
  return r;
}

void run_recurrent(ComputeContext& c, const CellForm& form, MakeCell<float> in_float,
                   MakeCell<double> in_double) {
  if (c.in(0).dtype() == DType::kFloat64)
    run<double>(c, form, in_double);
  else
    run<float>(c, form, in_float);
}

}  // namespace tersor::ops::detail

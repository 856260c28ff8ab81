// Einsum (12): sums of products over named axes, "ij,jk->ik"; "..." stands for broadcast axes. Sums
// of narrow floats are made in double.
#include <algorithm>
#include <array>

#include "ops/detail/arguments.h"
#include "ops/detail/dispatch.h"
#include "ops/detail/walk.h"

namespace tersor::ops {
namespace {

using namespace detail;

// Axes are letters; those an ellipsis stands for are the codes 0, 1, ... (0 is the last of them).
struct Equation {
  std::vector<std::vector<int>> inputs;  // per operand, one code per axis
  std::vector<int> output;
};

constexpr int kMaxEllipsis = 32;

// One term: letters, and at most one "..." of `hidden` axes (< 0: as many as known from rank).
std::vector<int> term(std::string_view text, int rank, int& hidden) {
  std::vector<int> axes;
  int letters = 0;
  for (char ch : text) letters += std::isalpha(static_cast<unsigned char>(ch)) != 0;
  bool seen = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char ch = text[i];
    if (std::isalpha(static_cast<unsigned char>(ch))) {
      axes.push_back(ch);
    } else if (text.substr(i, 3) == "..." && !seen) {
      seen = true;
      const int n = rank >= 0 ? rank - letters : hidden;
      if (n < 0 || n > kMaxEllipsis)
        base::fail_input("E22", "the term {} of an Einsum does not fit rank {}", base::quoted(text),
                         rank);
      hidden = std::max(hidden, n);
      for (int k = n; k-- > 0;) axes.push_back(k);
      i += 2;
    } else {
      base::fail_input("E22", "the term {} of an Einsum", base::quoted(text));
    }
  }
  if (rank >= 0 && static_cast<int>(axes.size()) != rank)
    base::fail_input("E22", "the term {} of an Einsum does not fit rank {}", base::quoted(text),
                     rank);
  return axes;
}

Equation parse(const ir::Node& node, std::span<const int> ranks) {
  std::string text = node.attr_string("equation", "");
  std::erase(text, ' ');
  Equation e;
  int hidden = 0;
  const size_t arrow = text.find("->");
  std::string_view left = std::string_view(text).substr(0, arrow);
  for (size_t i = 0; i < ranks.size(); ++i) {
    const size_t comma = left.find(',');
    if ((comma == std::string_view::npos) != (i + 1 == ranks.size()))
      base::fail_input("E22", "the equation {} does not have {} operands", base::quoted(text),
                       ranks.size());
    e.inputs.push_back(term(left.substr(0, comma), ranks[i], hidden));
    if (comma != std::string_view::npos) left.remove_prefix(comma + 1);
  }
  if (arrow != std::string::npos) {
    e.output = term(std::string_view(text).substr(arrow + 2), -1, hidden);
  } else {  // the ellipsis, then letters that occur once, in alphabetical order
    for (int k = hidden; k-- > 0;) e.output.push_back(k);
    std::array<int, 256> uses{};
    for (const auto& in : e.inputs)
      for (int a : in) ++uses[static_cast<size_t>(a)];
    for (int a = kMaxEllipsis + 1; a < 256; ++a)
      if (uses[static_cast<size_t>(a)] == 1) e.output.push_back(a);
  }
  return e;
}

void infer(InferContext& c) {
  std::vector<int> ranks;
  for (size_t i = 0; i < c.input_count(); ++i) ranks.push_back(c.rank(i));
  if (std::ranges::count(ranks, -1)) return c.out(0, c.elem(0));
  const Equation e = parse(c.node, ranks);
  std::array<std::optional<ir::Dim>, 256> size;
  for (size_t i = 0; i < e.inputs.size(); ++i)
    for (size_t d = 0; d < e.inputs[i].size(); ++d) {
      auto& s = size[static_cast<size_t>(e.inputs[i][d])];
      const ir::Dim& here = (*c.shape(i))[d];
      if (!s || s->value == 1 || (!s->known() && here.known() && here.value != 1)) s = here;
    }
  ir::Shape out;
  for (int a : e.output) out.push_back(size[static_cast<size_t>(a)].value_or(ir::Dim(1)));
  c.out(0, c.elem(0), std::move(out));
}

void reference(ComputeContext& c) {
  std::vector<int> ranks;
  for (size_t i = 0; i < c.inputs.size(); ++i) ranks.push_back(c.in(i).rank());
  const Equation e = parse(c.node, ranks);
  std::array<int64_t, 256> size;
  size.fill(-1);
  for (size_t i = 0; i < e.inputs.size(); ++i)
    for (size_t d = 0; d < e.inputs[i].size(); ++d) {
      int64_t& s = size[static_cast<size_t>(e.inputs[i][d])];
      const int64_t here = c.in(i).dims()[d];
      if (s >= 0 && here != s && here != 1 && s != 1)
        base::fail_input("E17", "an axis of an Einsum has {} and {} elements", s, here);
      if (s < 0 || s == 1) s = here;
    }
  // The loop nest: output axes, then the summed ones.
  std::vector<int> nest = e.output;
  for (const auto& in : e.inputs)
    for (int a : in)
      if (!std::ranges::count(nest, a)) nest.push_back(a);
  Dims dims, out_dims;
  for (int a : nest) dims.push_back(std::max<int64_t>(size[static_cast<size_t>(a)], 0));
  for (size_t i = 0; i < e.output.size(); ++i) {
    if (size[static_cast<size_t>(e.output[i])] < 0)
      base::fail_input("E22", "the output of an Einsum has an axis its inputs lack");
    out_dims.push_back(dims[i]);
  }
  const auto outer = static_cast<std::ptrdiff_t>(e.output.size());
  std::vector<Dims> strides;  // per operand over the nest
  for (size_t i = 0; i < e.inputs.size(); ++i) {
    const Dims own = strides_of(c.in(i).dims());
    Dims s(nest.size(), 0);
    for (size_t d = 0; d < own.size(); ++d)
      if (c.in(i).dims()[d] != 1)
        s[static_cast<size_t>(std::ranges::find(nest, e.inputs[i][d]) - nest.begin())] += own[d];
    strides.push_back(std::move(s));
  }
  dispatch_numeric(c.in(0).dtype(), [&]<typename T>() {
    using A = arithmetic_t<T>;
    using Sum = std::conditional_t<std::is_integral_v<A>, uint64_t, double>;
    std::vector<const T*> data;
    for (size_t i = 0; i < e.inputs.size(); ++i) data.push_back(c.in(i).data<T>().data());
    Tensor& y = c.out(0, c.in(0).dtype(), out_dims);
    T* to = y.mutable_data<T>().data();
    const Dims inner(dims.begin() + outer, dims.end());
    const int64_t sums = base::element_count(inner);
    Dims index(nest.size(), 0);
    for (int64_t n = y.count(); n > 0; --n) {
      Sum sum = 0;
      for (int64_t k = 0; k < sums; ++k) {
        Sum product = 1;
        for (size_t i = 0; i < data.size(); ++i) {
          int64_t at = 0;
          for (size_t d = 0; d < nest.size(); ++d) at += index[d] * strides[i][d];
          product *= static_cast<Sum>(load(data[i][at]));
        }
        sum += product;
        for (size_t d = nest.size(); d-- > static_cast<size_t>(outer);) {
          if (++index[d] < dims[d]) break;
          index[d] = 0;
        }
      }
      *to++ = store<T>(static_cast<A>(sum));
      for (size_t d = static_cast<size_t>(outer); d-- > 0;) {
        if (++index[d] < dims[d]) break;
        index[d] = 0;
      }
    }
  });
}

}  // namespace

extern const Operator kEinsum{.name = "Einsum",
                              .since = 12,
                              .infer = infer,
                              .reference = reference,
                              .traits = {.data_inputs = 3}};

}  // namespace tersor::ops

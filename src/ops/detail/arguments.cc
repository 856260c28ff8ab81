#include "ops/detail/arguments.h"

#include <algorithm>

#include "base/checked.h"
#include "base/error.h"

namespace tersor::ops::detail {

std::optional<int64_t> number(const ir::Dim& d) {
  if (d.known()) return d.value;
  if (!d.symbol.empty() && d.symbol == std::to_string(d.value)) return d.value;
  return {};
}

ir::Dim element(int64_t v) {
  ir::Dim d(v);
  if (v < 0) d.symbol = std::to_string(v);
  return d;
}

std::optional<std::vector<int64_t>> numbers(const InferContext& c, size_t input) {
  if (const Tensor* t = c.constant(input)) {
    if (!tensor::is_integer(t->dtype())) return {};
    return tensor::to_int64s(*t);
  }
  const auto dims = c.contents(input);
  if (!dims) return {};
  std::vector<int64_t> v;
  for (const ir::Dim& d : *dims) {
    const auto n = number(d);
    if (!n) return {};
    v.push_back(*n);
  }
  return v;
}

std::optional<std::vector<int64_t>> ints(const InferContext& c, size_t input,
                                         const char* attribute) {
  if (c.has(input)) return numbers(c, input);
  return c.node.attr_ints(attribute);
}

std::vector<int64_t> ints(const ComputeContext& c, size_t input, const char* attribute) {
  if (c.has(input)) return tensor::to_int64s(c.in(input));
  return c.node.attr_ints(attribute);
}

int64_t scalar_int(const ComputeContext& c, size_t input, int64_t otherwise) {
  if (!c.has(input)) return otherwise;
  if (c.in(input).count() != 1)
    base::fail_input("E22", "input {} must hold one element, it has shape {}", input,
                     tensor::to_string(c.in(input).dims()));
  return tensor::as_int64(c.in(input), 0);
}

double scalar_double(const ComputeContext& c, size_t input, double otherwise) {
  if (!c.has(input)) return otherwise;
  if (c.in(input).count() != 1)
    base::fail_input("E22", "input {} must hold one element, it has shape {}", input,
                     tensor::to_string(c.in(input).dims()));
  return tensor::as_double(c.in(input), 0);
}

std::vector<int> normalize_axes(const std::vector<int64_t>& axes, int rank) {
  std::vector<int> out;
  for (int64_t a : axes) out.push_back(normalize_axis(a, rank));
  std::ranges::sort(out);
  if (const auto twice = std::ranges::adjacent_find(out); twice != out.end())
    base::fail_input("E15", "axis {} is given twice", *twice);
  return out;
}

void infer_same(InferContext& c) { c.out(0, c.elem(0), c.shape(0)); }

namespace {

std::optional<ir::Shape> broadcast_inputs(const InferContext& c) {
  std::optional<ir::Shape> shape = c.shape(0);
  for (size_t i = 1; i < c.input_count(); ++i) shape = broadcast(shape, c.shape(i));
  return shape;
}

struct Factors {
  int64_t number = 1;
  std::vector<std::string> symbols;
  bool unknown = false;
};

// Splits a symbol at its outermost '*': "2*(a+1)*b" is 2, "(a+1)", "b".
void add_factors(const ir::Dim& d, Factors& f) {
  if (d.known()) {
    f.number = base::checked_mul(f.number, d.value, "a dimension");
    return;
  }
  if (d.symbol.empty()) {
    f.unknown = true;
    return;
  }
  std::vector<std::string> parts(1);
  int depth = 0;
  bool mixed = false;
  for (char ch : d.symbol) {
    if (ch == '(') ++depth;
    if (ch == ')') --depth;
    if (depth == 0 && (ch == '+' || ch == '-' || ch == '/' || ch == '%')) mixed = true;
    if (depth == 0 && ch == '*')
      parts.emplace_back();
    else
      parts.back() += ch;
  }
  if (mixed) parts = {"(" + d.symbol + ")"};
  for (const std::string& p : parts) {
    if (!p.empty() && p.size() < 18 &&
        std::ranges::all_of(p, [](char ch) { return ch >= '0' && ch <= '9'; }))
      f.number = base::checked_mul(f.number, static_cast<int64_t>(std::stoll(p)), "a dimension");
    else
      f.symbols.push_back(p);
  }
}

ir::Dim from_factors(const Factors& f) {
  if (f.unknown) return {};
  if (f.number == 0 || f.symbols.empty()) return ir::Dim(f.number);
  std::string s = f.number == 1 ? "" : std::to_string(f.number);
  for (const std::string& p : f.symbols) s += (s.empty() ? "" : "*") + p;
  if (f.number == 1 && f.symbols.size() == 1 && s.size() > 2 && s.front() == '(' &&
      s.find(')') == s.size() - 1)
    s = s.substr(1, s.size() - 2);
  if (s.size() > 64) return {};
  return ir::Dim(std::move(s));
}

Factors factors(std::span<const ir::Dim> dims) {
  Factors f;
  for (const ir::Dim& d : dims) add_factors(d, f);
  std::ranges::sort(f.symbols);
  return f;
}

}  // namespace

ir::Dim product(std::span<const ir::Dim> dims) { return from_factors(factors(dims)); }

ir::Dim exact_quotient(std::span<const ir::Dim> a, std::span<const ir::Dim> b) {
  Factors x = factors(a);
  const Factors y = factors(b);
  if (x.unknown || y.unknown || y.number == 0 || x.number % y.number != 0) return {};
  for (const std::string& s : y.symbols) {
    const auto at = std::ranges::find(x.symbols, s);
    if (at == x.symbols.end()) return {};
    x.symbols.erase(at);
  }
  x.number /= y.number;
  return from_factors(x);
}

std::optional<std::vector<ir::Dim>> elements(const InferContext& c, size_t input) {
  const Tensor* t = c.constant(input);
  if (t && t->dtype() == DType::kBool && t->count() <= 4096) {
    std::vector<ir::Dim> v;
    for (int64_t i = 0; i < t->count(); ++i) v.emplace_back(tensor::as_int64(*t, i));
    return v;
  }
  return c.contents(input);
}

void combine_contents(InferContext& c, ir::Dim (*f)(const ir::Dim&, const ir::Dim&)) {
  if (c.rank(0) > 1 || c.rank(1) > 1) return;
  const auto a = elements(c, 0), b = elements(c, 1);
  if (!a || !b || a->empty() || b->empty()) return;
  const size_t n = std::max(a->size(), b->size());
  if ((a->size() != n && a->size() != 1) || (b->size() != n && b->size() != 1)) return;
  std::vector<ir::Dim> v;
  for (size_t i = 0; i < n; ++i)
    v.push_back(f((*a)[a->size() == 1 ? 0 : i], (*b)[b->size() == 1 ? 0 : i]));
  c.set_contents(0, std::move(v));
}

ir::Dim element_add(const ir::Dim& a, const ir::Dim& b) {
  const auto x = number(a), y = number(b);
  int64_t r;
  if (x && y) return __builtin_add_overflow(*x, *y, &r) ? ir::Dim() : element(r);
  if (x && *x < 0) return *x == INT64_MIN ? ir::Dim() : sub(b, ir::Dim(-*x));
  if (y && *y < 0) return *y == INT64_MIN ? ir::Dim() : sub(a, ir::Dim(-*y));
  return add(a, b);
}

ir::Dim element_sub(const ir::Dim& a, const ir::Dim& b) {
  const auto x = number(a), y = number(b);
  int64_t r;
  if (x && y) return __builtin_sub_overflow(*x, *y, &r) ? ir::Dim() : element(r);
  if (y && *y < 0) return *y == INT64_MIN ? ir::Dim() : add(a, ir::Dim(-*y));
  if (x && *x < 0) return {};
  return sub(a, b);
}

ir::Dim element_mul(const ir::Dim& a, const ir::Dim& b) {
  const auto x = number(a), y = number(b);
  int64_t r;
  if (x && y) return __builtin_mul_overflow(*x, *y, &r) ? ir::Dim() : element(r);
  if ((x && *x < 0) || (y && *y < 0)) return {};
  const ir::Dim both[] = {a, b};
  return product(both);
}

ir::Dim element_div(const ir::Dim& a, const ir::Dim& b) {
  const auto x = number(a), y = number(b);
  if (x && y) return *y == 0 || (*y == -1 && *x == INT64_MIN) ? ir::Dim() : element(*x / *y);
  if ((x && *x < 0) || (y && *y <= 0)) return {};
  const ir::Dim p[] = {a}, q[] = {b};
  const ir::Dim exact = exact_quotient(p, q);
  return exact.known() || !exact.symbol.empty() ? exact : div(a, b);
}

void infer_broadcast(InferContext& c) { c.out(0, c.elem(0), broadcast_inputs(c)); }
void infer_compare(InferContext& c) { c.out(0, DType::kBool, broadcast_inputs(c)); }

}  // namespace tersor::ops::detail

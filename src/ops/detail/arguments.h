// Reading an operator's integer lists and single numbers: from an attribute or an input, whichever
// the operator's version says; while inferring, also from shape arithmetic.
#pragma once

#include <optional>
#include <vector>

#include "ops/operator.h"

namespace tersor::ops::detail {

// The number a dimension stands for when it is an element of a shape-like list: negative numbers
// carry their text as symbol, so that -1 is not mistaken for "unknown".
std::optional<int64_t> number(const ir::Dim& d);
ir::Dim element(int64_t v);  // the inverse
// Elements of an integer input: numbers only (negative ones included).
std::optional<std::vector<int64_t>> numbers(const InferContext& c, size_t input);

// An integer list of inference: input `input` if the node has one, else the attribute. The outer
// optional is empty when the list is an input whose value is not known; an absent list is an empty
// vector.
std::optional<std::vector<int64_t>> ints(const InferContext& c, size_t input,
                                         const char* attribute);
// The same while computing.
std::vector<int64_t> ints(const ComputeContext& c, size_t input, const char* attribute);
// The one element of input `input`, or `otherwise` if it is absent. An Error if it holds several.
int64_t scalar_int(const ComputeContext& c, size_t input, int64_t otherwise);
double scalar_double(const ComputeContext& c, size_t input, double otherwise);

// Axes in [-rank, rank) to sorted, distinct axes in [0, rank). An Error names a bad or doubled one.
std::vector<int> normalize_axes(const std::vector<int64_t>& axes, int rank);

// Index in [-size, size) to [0, size); a kInput Error E21 otherwise.
inline int64_t checked_index(int64_t i, int64_t size) {
  if (i < -size || i >= size)
    base::fail_input("E21", "index {} is outside an axis of {} elements", i, size);
  return i < 0 ? i + size : i;
}

// ---- inference shared by many operators
// ----------------------------------------------------------

void infer_same(InferContext& c);  // output 0 like input 0
void infer_broadcast(
    InferContext& c);  // output 0: element type of input 0, shape of all inputs broadcast
void infer_compare(InferContext& c);  // the same with bool
// Elements of a small integer or bool input as dimensions (bool: 0 and 1), negative numbers
// included.
std::optional<std::vector<ir::Dim>> elements(const InferContext& c, size_t input);
// Contents of output 0 from those of inputs 0 and 1, element by element; one of them may be a
// single element. Nothing happens if either is unknown.
void combine_contents(InferContext& c, ir::Dim (*f)(const ir::Dim&, const ir::Dim&));
// Arithmetic on such elements; unknown where it is not exact.
ir::Dim element_add(const ir::Dim& a, const ir::Dim& b);
ir::Dim element_sub(const ir::Dim& a, const ir::Dim& b);
ir::Dim element_mul(const ir::Dim& a, const ir::Dim& b);
ir::Dim element_div(const ir::Dim& a, const ir::Dim& b);
// The product of dimensions, with numbers multiplied and symbols kept as factors; unknown if any
// is.
ir::Dim product(std::span<const ir::Dim> dims);
// a / b where b divides a: equal factors cancel. Unknown if it does not come out.
ir::Dim exact_quotient(std::span<const ir::Dim> a, std::span<const ir::Dim> b);

}  // namespace tersor::ops::detail

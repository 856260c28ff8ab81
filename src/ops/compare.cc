// Comparisons (Equal, Greater, Less, GreaterOrEqual, LessOrEqual) and logic (And, Or, Xor) with
// numpy broadcasting, giving bool.
#include <functional>

#include "ops/detail/arguments.h"
#include "ops/detail/elementwise.h"

namespace tersor::ops {
namespace {

using namespace detail;

// The function on elements of two tensors of type T, as bytes 0 and 1.
template <typename T, typename F>
void compare_as(ComputeContext& c, const T* a, const T* b, F f) {
  const Dims dims = broadcast_dims(c.in(0).dims(), c.in(1).dims());
  Tensor& y = c.out(0, DType::kBool, dims);
  map_binary(a, c.in(0).dims(), b, c.in(1).dims(), bool_bytes(y).data(), dims,
             [&](const T& p, const T& q) { return static_cast<uint8_t>(f(p, q)); });
}

template <auto kFunction>
void compare(ComputeContext& c) {
  const Tensor &a = c.in(0), &b = c.in(1);
  if (a.dtype() != b.dtype())
    base::fail_input("E16", "the inputs have types {} and {}", tensor::name(a.dtype()),
                     tensor::name(b.dtype()));
  if (a.dtype() == DType::kString)
    return compare_as(c, a.strings().data(), b.strings().data(), kFunction);
  if (a.dtype() == DType::kBool)
    return compare_as(c, bool_bytes(a).data(), bool_bytes(b).data(),
                      [](uint8_t p, uint8_t q) { return kFunction(p != 0, q != 0); });
  dispatch_numeric(a.dtype(), [&]<typename T>() {
    compare_as(c, a.data<T>().data(), b.data<T>().data(),
               [](T p, T q) { return kFunction(load(p), load(q)); });
  });
}

template <auto kFunction>
void logic(ComputeContext& c) {
  for (size_t i = 0; i < 2; ++i)
    if (c.in(i).dtype() != DType::kBool)
      base::fail_input("E16", "{} takes bool, not {}", c.node.op, tensor::name(c.in(i).dtype()));
  compare_as(c, bool_bytes(c.in(0)).data(), bool_bytes(c.in(1)).data(),
             [](uint8_t p, uint8_t q) { return kFunction(p != 0, q != 0); });
}

void infer_equal(InferContext& c) {
  infer_compare(c);
  combine_contents(c, [](const ir::Dim& a, const ir::Dim& b) {
    const auto x = number(a), y = number(b);
    if (x && y) return ir::Dim(*x == *y);
    if (a == b) return ir::Dim(1);
    if ((x && *x < 0) || (y && *y < 0)) return ir::Dim(0);
    return ir::Dim();
  });
}

constexpr Operator two(const char* name, void (*reference)(ComputeContext&),
                       void (*infer)(InferContext&) = infer_compare) {
  return {.name = name,
          .infer = infer,
          .reference = reference,
          .traits = {.data_inputs = 3, .layout = LayoutClass::kAny}};
}

}  // namespace

extern const Operator kEqual = two("Equal", compare<std::equal_to<>{}>, infer_equal);
extern const Operator kGreater = two("Greater", compare<std::greater<>{}>);
extern const Operator kLess = two("Less", compare<std::less<>{}>);
extern const Operator kGreaterOrEqual = two("GreaterOrEqual", compare<std::greater_equal<>{}>);
extern const Operator kLessOrEqual = two("LessOrEqual", compare<std::less_equal<>{}>);
extern const Operator kAnd = two("And", logic<std::logical_and<>{}>);
extern const Operator kOr = two("Or", logic<std::logical_or<>{}>);
extern const Operator kXor = two("Xor", logic<std::not_equal_to<>{}>);

}  // namespace tersor::ops

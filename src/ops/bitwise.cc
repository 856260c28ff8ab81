// BitShift (11: unsigned, 28: signed integers too), BitwiseAnd, BitwiseOr, BitwiseXor (18;
// integers), with broadcasting.
#include <functional>

#include "ops/detail/arguments.h"
#include "ops/detail/elementwise.h"

namespace tersor::ops {
namespace {

using namespace detail;

void check_types(const ComputeContext& c) {
  if (c.in(0).dtype() != c.in(1).dtype())
    base::fail_input("E16", "the inputs have types {} and {}", tensor::name(c.in(0).dtype()),
                     tensor::name(c.in(1).dtype()));
}

void shift(ComputeContext& c) {
  check_types(c);
  const std::string direction = c.node.attr_string("direction", "");
  if (direction != "LEFT" && direction != "RIGHT")
    base::fail_input("E22", "the direction of a BitShift is {}", base::quoted(direction));
  const bool left = direction == "LEFT";
  dispatch_integer(c.in(0).dtype(), [&]<typename T>() {
    combine<T>(c, 0, c.in(0), c.in(1), [=](T a, T b) {
      // A shift by all bits or more, or by a negative number, leaves what sign extension gives.
      if (b < 0 || static_cast<uint64_t>(b) >= sizeof(T) * 8)
        return static_cast<T>(!left && a < 0 ? -1 : 0);
      return left ? static_cast<T>(static_cast<uint64_t>(a) << b) : static_cast<T>(a >> b);
    });
  });
}

template <auto kFunction>
void bitwise(ComputeContext& c) {
  check_types(c);
  dispatch_integer(c.in(0).dtype(),
                   [&]<typename T>() { combine<T>(c, 0, c.in(0), c.in(1), kFunction); });
}

constexpr Operator two(const char* name, int since, void (*reference)(ComputeContext&)) {
  return {.name = name,
          .since = since,
          .infer = infer_broadcast,
          .reference = reference,
          .traits = {.data_inputs = 3, .layout = LayoutClass::kAny}};
}

}  // namespace

extern const Operator kBitShift = two("BitShift", 11, shift);
extern const Operator kBitwiseAnd = two("BitwiseAnd", 18, bitwise<std::bit_and<>{}>);
extern const Operator kBitwiseOr = two("BitwiseOr", 18, bitwise<std::bit_or<>{}>);
extern const Operator kBitwiseXor = two("BitwiseXor", 18, bitwise<std::bit_xor<>{}>);

}  // namespace tersor::ops

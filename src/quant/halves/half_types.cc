#include "quant/halves/half_types.h"

namespace tersor::quant {
namespace {

struct Row {
  std::string_view op;
  int64_t since;
  int float16, bfloat16;
};
#define TERSOR_HALF_TYPES(op, since, float16, bfloat16) Row{op, since, float16, bfloat16},
constexpr Row kRows[] = {
#include "quant/halves/half_types.inc"
};
#undef TERSOR_HALF_TYPES

}  // namespace

int float_inputs(std::string_view op, int64_t opset, DType half) {
  int answer = 0;
  bool known = false;
  for (const Row& row : kRows) {
    if (row.op != op) continue;
    if (!known) answer = -1;
    known = true;
    if (row.since <= opset) answer = half == DType::kFloat16 ? row.float16 : row.bfloat16;
  }
  return answer;
}

}  // namespace tersor::quant

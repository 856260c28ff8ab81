// Products of kernels/gemm_f32 and gemm_u8s8 as operators use them: packed constants, the numbers
// of the quantized forms, and the split over the pool.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "kernels/gemm_f32/gemm_f32.h"
#include "kernels/gemm_u8s8/gemm_u8s8.h"
#include "ops/detail/halves_step.h"
#include "ops/operator.h"

namespace tersor::ops::detail {

// 64-byte aligned scratch for each worker of the step's pool.
class WorkerScratch {
 public:
  WorkerScratch(runtime::StepContext& c, size_t bytes);
  std::byte* of(int worker) const { return base_ + static_cast<size_t>(worker) * stride_; }

 private:
  Tensor memory_;
  std::byte* base_;
  size_t stride_;
};

// The bounds of a fused clip; infinities without one.
struct Bounds {
  float min, max;
};
Bounds bounds_of(const ir::Node& node);

// The numbers of an 8-bit weighted operator with n columns (filters).
struct ByteNumbers {
  bool a_signed = false, w_signed = true;
  int32_t za = 0;
  std::vector<int32_t> zw;    // 0 (zeros), 1 or n elements
  std::vector<int32_t> bias;  // n or none; in units of the product of the scales
  std::vector<float> scale;   // n or 1 (then the same for all); none for s32
  kernels::GemmOutput kind = kernels::GemmOutput::s32;
  DType out = DType::kInt32;
  float min = 0, max = 0;                  // f32
  int32_t zero = 0, qmin = 0, qmax = 255;  // u8, s8

  // Whether GemmU8S8Epilogue::small_scales may be promised.
  bool small_scales() const;
};
// Sets kind, out, zero point and range for an output wire that is quantized or float; `bounds` are
// in reals. False if the wire is neither.
bool set_output(ByteNumbers& numbers, const runtime::Wire& out, const Bounds& bounds);
// The numbers of an operator between quantized wires x, w, optional bias b and y, as
// docs/architecture.md defines them. `axis`: the axis of w that its scales and zero points may lie
// along; n: its length, or -1 if w is per tensor and no constant. nullopt if these wires have other
// forms.
std::optional<ByteNumbers> byte_numbers(const ir::Node& node, const runtime::Wire& x,
                                        const runtime::Wire& w, const runtime::Wire* b,
                                        const runtime::Wire& y, int axis, int64_t n);

// out = epilogue(rows of a times packed weights), on the step's pool.
struct FloatProduct {
  std::shared_ptr<const Buffer> packed;
  kernels::GemmF32Weights weights;

  // shape.type: of the rows; `b` is f32 and holds nothing finer than it.
  FloatProduct(const kernels::GemmF32Shape& shape, const float* b, base::IsaSet isa);
  void run(runtime::StepContext& c, const kernels::GemmF32Call& call, int64_t m) const;
  std::string name() const { return weights.row->name; }
};

// The numbers of int8 weights without zero points, ready for a call.
struct ByteEpilogue {
  ByteNumbers numbers;
  std::vector<int32_t> folded;
  std::vector<float> scale;  // one per column
  bool small_scales;

  ByteEpilogue(ByteNumbers numbers, std::vector<int32_t> column_sums);
  // The call with everything but a and out filled in.
  kernels::GemmU8S8Call call() const;
};

struct ByteProduct {
  std::shared_ptr<const Buffer> packed;
  kernels::GemmU8S8Weights weights;
  ByteNumbers numbers;
  std::vector<int32_t> column_sums, folded, b_zero;  // b_zero empty: all zero
  std::vector<float> scale;                          // one per column
  bool small_scales;

  ByteProduct(const kernels::MatrixLayout& layout, const void* b, ByteNumbers numbers, int64_t m,
              base::IsaSet isa);
  // The call with everything but a and out filled in.
  kernels::GemmU8S8Call call() const;
  // Puts another zero point of a into a call; `memory` keeps what the call points to.
  void set_zero_point(kernels::GemmU8S8Call& call, int32_t za, std::vector<int32_t>& memory) const;
  void run(runtime::StepContext& c, const kernels::GemmU8S8Call& call, int64_t m) const;
  std::string name() const { return weights.row->name; }
};

// For `inspect --plan`: why the sums of a row are exact; what a row of floats makes of operands of
// that type, if it is worth a word.
std::string why_exact(const kernels::GemmU8S8Row& row);
std::string why_products(const kernels::GemmF32Row& row, kernels::FloatType type, base::IsaSet isa);

}  // namespace tersor::ops::detail

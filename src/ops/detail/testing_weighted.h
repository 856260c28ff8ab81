// For tests: bound steps of weighted operators, with per-axis scales and any ISA of this machine.
#pragma once

#include <gtest/gtest.h>

#include <random>

#include "ops/detail/bind.h"
#include "ops/detail/testing.h"
#include "ops/testing_isas.h"

namespace tersor::ops::testing {

struct WireCase {
  Tensor tensor;  // as stored, in logical order; undefined: absent
  std::optional<QuantParams> quant = {};
  bool constant = false;
};

struct StepCase {
  std::string op;
  Attributes attributes = {};
  std::vector<WireCase> inputs = {};
  DType out = DType::kFloat32;
  std::optional<QuantParams> out_quant = {};
  int out_rank = 4;
  Dims out_dims = {};  // if known
  bool channels_last = false;
  int opset = 21;
  const char* domain = "";
};

// The first output in ONNX order; undefined if nothing is bound.
inline Tensor run_step(const StepCase& c, base::Isa isa, int threads = 2, size_t outputs = 1,
                       std::vector<Tensor>* all = nullptr, std::string* kernel = nullptr) {
  ir::Node node = make_node(c.op, c.attributes, c.inputs.size(), outputs);
  node.domain = c.domain;
  const Operator* op = find(c.domain, c.op, c.opset);
  if (!op || !op->bind) return {};
  std::vector<Tensor> memory;
  std::vector<runtime::Wire> in, out(outputs);
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    const WireCase& w = c.inputs[i];
    const bool last = c.channels_last && !w.constant && w.tensor.rank() >= 3;
    memory.push_back(last ? detail::physical(w.tensor, w.tensor.rank()) : w.tensor);
    if (last && w.tensor.count() == 1)
      memory.back() = w.tensor.reshaped(Dims(w.tensor.dims().size(), 1));
    runtime::Wire wire;
    wire.present = w.tensor.defined();
    wire.dtype = w.tensor.dtype();
    wire.quant = w.quant;
    wire.layout = last ? runtime::Layout::kChannelsLast : runtime::Layout::kRows;
    wire.rank = w.tensor.rank();
    wire.dims = w.tensor.dims();
    if (w.constant && w.tensor.defined()) wire.constant = &c.inputs[i].tensor;
    in.push_back(wire);
  }
  for (runtime::Wire& wire : out) {
    wire.rank = c.out_rank;
    wire.dims = c.out_dims.empty() ? Dims(static_cast<size_t>(c.out_rank), -1) : c.out_dims;
    wire.layout = c.channels_last ? runtime::Layout::kChannelsLast : runtime::Layout::kRows;
  }
  out[0].dtype = c.out;
  out[0].quant = c.out_quant;
  const auto step = op->bind(node, {in, out, base::up_to(isa), c.opset});
  if (!step) return {};
  if (kernel) *kernel = step->kernel;
  runtime::Arena arena;
  runtime::ThreadPool pool(threads);
  std::vector<const Tensor*> pointers;
  for (const Tensor& t : memory) pointers.push_back(t.defined() ? &t : nullptr);
  std::vector<Tensor> results(outputs);
  runtime::StepContext context{pointers, results, &arena, &pool};
  const runtime::Status status = step->call(context);
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error->describe());
  if (!status.ok()) return {};
  if (c.channels_last)
    for (Tensor& y : results) {
      if (!y.defined()) continue;
      // [n, spatial..., c] -> [n, c, spatial...]: reading it as [n, h, w, c] -> rows by the inverse
      // permutation.
      ir::Node back = make_node("Transpose", {}, 1, 1);
      std::vector<int64_t> perm = {0, y.rank() - 1};
      for (int64_t i = 1; i + 1 < y.rank(); ++i) perm.push_back(i);
      y = run("Transpose", 13, {y}, {{"perm", perm}})[0];
    }
  if (all) *all = results;
  return results[0];
}

class Random {
 public:
  explicit Random(unsigned seed) : generator_(seed) {}
  int64_t number(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(generator_);
  }
  float real(float low, float high) {
    return std::uniform_real_distribution<float>(low, high)(generator_);
  }
  bool coin() { return number(0, 1) == 1; }
  Tensor floats(Dims dims, float low = -1, float high = 1) {
    Tensor t = Tensor::empty(DType::kFloat32, std::move(dims));
    for (float& v : t.mutable_data<float>()) v = real(low, high);
    return t;
  }
  Tensor bytes(Dims dims, DType type) {
    Tensor t = Tensor::empty(type, std::move(dims));
    auto* p = reinterpret_cast<uint8_t*>(t.raw_mutable());
    for (int64_t i = 0; i < t.count(); ++i) p[i] = static_cast<uint8_t>(number(0, 255));
    return t;
  }
  // Scales and zero points of n slices along `axis` (n = 1: per tensor).
  QuantParams params(DType type, int64_t n, int axis, bool zero_points) {
    QuantParams q;
    for (int64_t i = 0; i < n; ++i) {
      q.scales.push_back(real(0.001F, 0.05F));
      q.zero_points.push_back(
          zero_points ? static_cast<int32_t>(number(tensor::lowest(type), tensor::highest(type)))
                      : 0);
    }
    if (n > 1) q.axis = axis;
    return q;
  }

 private:
  std::mt19937 generator_;
};

inline Tensor scale_tensor(const QuantParams& q) {
  return Tensor::of<float>(
      q.scales.size() == 1 ? Dims{} : Dims{static_cast<int64_t>(q.scales.size())},
      std::span<const float>(q.scales));
}
inline Tensor zero_tensor(const QuantParams& q, DType type) {
  const Dims dims = q.scales.size() == 1 ? Dims{} : Dims{static_cast<int64_t>(q.scales.size())};
  return tensor::cast(Tensor::of<int32_t>(dims, std::span<const int32_t>(q.zero_points)), type);
}

inline void expect_same(const Tensor& got, const Tensor& want, const std::string& what) {
  ASSERT_TRUE(got.defined()) << what << ": nothing is bound";
  ASSERT_EQ(got.dtype(), want.dtype()) << what;
  ASSERT_EQ(got.dims(), want.dims()) << what;
  for (int64_t i = 0; i < want.count(); ++i)
    ASSERT_EQ(tensor::as_double(got, i), tensor::as_double(want, i)) << what << ", element " << i;
}
// Within `bound` of the exact result, and of its rounding to the type of `got`: the caller computes
// the bound from lengths and magnitudes.
inline void expect_near(const Tensor& got, const Tensor& want, double bound,
                        const std::string& what) {
  ASSERT_TRUE(got.defined()) << what << ": nothing is bound";
  ASSERT_EQ(got.dims(), want.dims()) << what;
  const double unit = got.dtype() == DType::kFloat16    ? 0x1p-11
                      : got.dtype() == DType::kBfloat16 ? 0x1p-8
                                                        : 0;
  for (int64_t i = 0; i < want.count(); ++i) {
    const double y = tensor::as_double(want, i);
    ASSERT_NEAR(tensor::as_double(got, i), y, bound + unit * (std::abs(y) + bound))
        << what << ", element " << i;
  }
}

constexpr DType kFloatTypes[] = {DType::kFloat32, DType::kFloat16, DType::kBfloat16};
// What of float32 numbers another type can hold, in float32.
inline Tensor rounded(const Tensor& t, DType type) {
  return tensor::cast(tensor::cast(t, type), DType::kFloat32);
}
// The same step on float tensors of that type.
inline StepCase in_type(StepCase c, DType type) {
  for (WireCase& w : c.inputs)
    if (w.tensor.defined() && w.tensor.dtype() == DType::kFloat32)
      w.tensor = tensor::cast(w.tensor, type);
  c.out = type;
  return c;
}

}  // namespace tersor::ops::testing

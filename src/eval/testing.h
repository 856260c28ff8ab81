// Models and samples of this room's tests.
#pragma once

#include "calib/collect.h"
#include "ops/testing_graph.h"
#include "quant/decisions.h"

namespace tersor::eval {

using ops::testing::Builder;
using ops::testing::random_tensor;
using ops::testing::residual_model;

inline std::unique_ptr<calib::Dataset> samples(const ir::Model& m, int count) {
  calib::DatasetSpec spec;
  for (int i = 0; i < count; ++i)
    spec.memory.push_back({{"x", random_tensor({1, 3, 8, 8}, static_cast<unsigned>(i))}});
  return calib::open_dataset(spec, calib::input_specs(m.graph));
}

// The residual model in int8, by statistics of a few samples.
inline ir::Model quantized(const ir::Model& m) {
  const auto data = samples(m, 16);
  const auto collected = calib::collect(m, quant::points(m, {}), *data);
  return quant::apply(m, quant::decide(m, collected.statistics, {}));
}

// x [N, 6] -> Relu -> MatMul -> Softmax "y", its codes coarse: their sum is far from 1.
inline ir::Model classifier(bool coarse) {
  Builder b;
  const auto x = b.input("x", {ir::Dim("N"), 6});
  const auto z = b.op("MatMul", {b.op("Relu", {x}, "r"), b.weight("w", {6, 40}, 2)}, "z");
  if (!coarse) return b.finish({b.op("Softmax", {z}, "y")});
  const auto s = b.constant("s", Tensor::scalar(0.04F));
  const auto zero = b.constant("zero", Tensor::scalar<uint8_t>(0));
  const auto codes = b.op("QuantizeLinear", {b.op("Softmax", {z}, "p"), s, zero}, "codes");
  return b.finish({b.op("DequantizeLinear", {codes, s, zero}, "y")});
}

}  // namespace tersor::eval

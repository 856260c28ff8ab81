// For tests: a bound step against the reference on the same numbers.
#pragma once

#include <gtest/gtest.h>

#include "ops/detail/bind.h"
#include "ops/detail/testing.h"

namespace tersor::ops::testing {

// One node with float32 inputs as the model has them.
struct BindCase {
  std::string op;
  int opset = 17;
  std::vector<Tensor> inputs;  // undefined: absent
  Attributes attributes = {};
  std::vector<bool> constant = {};                              // known at binding
  std::vector<std::optional<detail::ByteFormat>> formats = {};  // 8-bit inputs
  std::optional<detail::ByteFormat> out = {};                   // 8-bit output
  bool channels_last = false;
};

inline Tensor quantized(const Tensor& t, const detail::ByteFormat& f) {
  Tensor q = Tensor::empty(f.dtype(), t.dims());
  auto* to = reinterpret_cast<uint8_t*>(q.raw_mutable());
  for (int64_t i = 0; i < t.count(); ++i) to[i] = f.code(t.data<float>()[static_cast<size_t>(i)]);
  return q;
}
inline Tensor dequantized(const Tensor& q, const detail::ByteFormat& f) {
  Tensor t = Tensor::empty(DType::kFloat32, q.dims());
  const auto* from = reinterpret_cast<const uint8_t*>(q.raw());
  for (int64_t i = 0; i < q.count(); ++i)
    t.mutable_data<float>()[static_cast<size_t>(i)] = f.real(from[i]);
  return t;
}

inline runtime::Wire wire_of(const Tensor& t, const std::optional<detail::ByteFormat>& f,
                             bool channels_last, bool constant) {
  runtime::Wire w;
  w.present = t.defined();
  w.dtype = t.dtype();
  if (f) w.quant = QuantParams{{f->scale}, {f->zero}};
  w.layout = channels_last ? runtime::Layout::kChannelsLast : runtime::Layout::kRows;
  w.rank = t.rank();
  w.dims = t.dims();
  if (constant && t.defined()) w.constant = &t;
  return w;
}

// What the reference gives: dequantize, operator, quantize.
inline std::vector<Tensor> expected(const BindCase& c, size_t outputs = 1) {
  std::vector<Tensor> real = c.inputs;
  for (size_t i = 0; i < c.formats.size(); ++i)
    if (c.formats[i]) real[i] = dequantized(quantized(c.inputs[i], *c.formats[i]), *c.formats[i]);
  std::vector<Tensor> y = run(c.op, c.opset, real, c.attributes, outputs);
  if (c.out) y[0] = quantized(y[0], *c.out);
  return y;
}

// What the step gives, in logical order; empty if there is none.
inline std::vector<Tensor> bound(const BindCase& c, size_t outputs = 1) {
  const ir::Node node = make_node(c.op, c.attributes, c.inputs.size(), outputs);
  const Operator* op = find("", c.op, c.opset);
  if (!op || !op->bind) return {};
  const std::vector<Tensor> want = expected(c, outputs);
  std::vector<Tensor> logical = c.inputs;
  for (size_t i = 0; i < c.formats.size(); ++i)
    if (c.formats[i]) logical[i] = quantized(c.inputs[i], *c.formats[i]);
  std::vector<Tensor> memory = logical;
  std::vector<runtime::Wire> in, out;
  for (size_t i = 0; i < logical.size(); ++i) {
    const bool known = i < c.constant.size() && c.constant[i];
    const bool last = c.channels_last && !known && logical[i].rank() >= 3;
    if (last && logical[i].count() != 1)
      memory[i] = detail::physical(logical[i], logical[i].rank());
    in.push_back(
        wire_of(logical[i], i < c.formats.size() ? c.formats[i] : std::nullopt, last, known));
  }
  for (size_t i = 0; i < outputs; ++i)
    out.push_back(wire_of(want[i], i == 0 ? c.out : std::nullopt, c.channels_last, false));
  const auto step = op->bind(node, {in, out, {}, c.opset});
  if (!step) return {};
  runtime::Arena arena;
  runtime::ThreadPool pool(2);
  std::vector<const Tensor*> pointers;
  for (const Tensor& t : memory) pointers.push_back(t.defined() ? &t : nullptr);
  std::vector<Tensor> results(outputs);
  runtime::StepContext context{pointers, results, &arena, &pool};
  const runtime::Status status = step->call(context);
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error->describe());
  return results;
}

inline Tensor in_memory(const Tensor& logical, bool channels_last) {
  return channels_last && logical.rank() >= 3 && logical.count() != 1
             ? detail::physical(logical, logical.rank())
             : logical;
}

// Equal codes; floats within `tolerance`, relative and absolute.
inline void expect_bound_equals_reference(const BindCase& c, size_t outputs = 1,
                                          float tolerance = 0) {
  const std::vector<Tensor> want = expected(c, outputs);
  const std::vector<Tensor> got = bound(c, outputs);
  ASSERT_EQ(got.size(), outputs) << c.op << " has no step for these wires";
  for (size_t o = 0; o < outputs; ++o) {
    const Tensor w = in_memory(want[o], c.channels_last);
    ASSERT_EQ(got[o].dtype(), w.dtype()) << c.op;
    ASSERT_EQ(got[o].dims(), w.dims()) << c.op;
    for (int64_t i = 0; i < w.count(); ++i) {
      const double a = tensor::as_double(got[o], i), b = tensor::as_double(w, i);
      if (a == b || (a != a && b != b)) continue;
      ASSERT_NEAR(a, b, tolerance * (1 + std::abs(b))) << c.op << " element " << i;
    }
  }
}

}  // namespace tersor::ops::testing

// MaskedSoftmax (tersor.plan; made by engine/lower/fuse_softmax.cc): the softmax over the last axis
// of x * scale, plus `addend` if there is one, with `fill` in place of it where `mask` is
// `masked_where`. Inputs x [..., rows, n], mask (bool) and addend (float32), both optional and
// broadcast to x.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/softmax/softmax.h"
#include "ops/detail/bind.h"
#include "ops/detail/broadcast.h"

namespace tersor::ops {
namespace {

using namespace detail;
using kernels::softmax::Mask;

// Elements of a tensor of dimensions `dims`, broadcast to `to`, from each index of `to` to the
// next. An Error if they do not broadcast.
Dims strides_in(const Dims& dims, const Dims& to) {
  if (dims.size() > to.size() || broadcast_dims(dims, to) != to)
    base::fail_input("E16", "a mask of shape {} for {}", tensor::to_string(dims),
                     tensor::to_string(to));
  Dims strides(to.size(), 0);
  int64_t stride = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    const size_t axis = to.size() - dims.size() + i;
    if (dims[i] != 1) strides[axis] = stride;
    stride *= dims[i];
  }
  return strides;
}

int64_t offset_of(int64_t outer, const Dims& dims, const Dims& strides) {
  int64_t at = 0;
  for (size_t axis = dims.size() - 2; axis-- > 0;) {
    at += outer % dims[axis] * strides[axis];
    outer /= dims[axis];
  }
  return at;
}

struct MaskedSoftmaxStep {
  Mask mask;
  const kernels::softmax::Table* table;

  void operator()(runtime::StepContext& c) const {
    const Tensor& x = c.in(0);
    const Dims& dims = x.dims();
    const int64_t n = dims.back(), rows = dims[dims.size() - 2];
    Tensor& y = c.make(0, DType::kFloat32, dims);
    if (x.count() == 0) return;
    const float* from = x.data<float>().data();
    float* to = y.mutable_data<float>().data();
    const Tensor* given[2] = {c.has(1) ? &c.in(1) : nullptr, c.has(2) ? &c.in(2) : nullptr};
    Dims strides[2];
    Tensor wide[2];  // what does not vary along the last axis, written out
    for (int i = 0; i < 2; ++i) {
      if (!given[i]) continue;
      if (n > 1 && (given[i]->dims().empty() || given[i]->dims().back() != n)) {
        Dims all = given[i]->dims().empty() ? Dims{1} : given[i]->dims();
        all.back() = n;
        wide[i] = c.arena->make(given[i]->dtype(), all);
        repeat(*given[i], wide[i], n);
        given[i] = &wide[i];
      }
      strides[i] = strides_in(given[i]->dims(), dims);
    }
    const int64_t outer = x.count() / (n * rows), piece = std::max<int64_t>(1, 8192 / n);
    const int64_t pieces = (rows + piece - 1) / piece;
    c.pool->parallel_for(outer * pieces, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t o = i / pieces, first = i % pieces * piece;
        Mask m = mask;
        if (given[0]) {
          m.mask_stride = strides[0][dims.size() - 2];
          m.mask = reinterpret_cast<const uint8_t*>(given[0]->raw()) +
                   offset_of(o, dims, strides[0]) + first * m.mask_stride;
        }
        if (given[1]) {
          m.addend_stride = strides[1][dims.size() - 2];
          m.addend = given[1]->data<float>().data() + offset_of(o, dims, strides[1]) +
                     first * m.addend_stride;
        }
        const int64_t at = (o * rows + first) * n;
        table->masked(from + at, to + at, std::min(piece, rows - first), n, m);
      }
    });
  }

  static void repeat(const Tensor& from, Tensor& to, int64_t n) {
    const auto size = static_cast<size_t>(tensor::bits(from.dtype()) / 8);
    const std::byte* in = from.raw();
    std::byte* out = to.raw_mutable();
    for (int64_t i = 0; i < from.count(); ++i, in += size)
      for (int64_t j = 0; j < n; ++j, out += size) std::copy(in, in + size, out);
  }
};

std::optional<runtime::Bound> bind(const ir::Node& node, const runtime::BindContext& c) {
  const runtime::Wire &x = c.in(0), &y = c.outputs[0];
  if (x.dtype != DType::kFloat32 || y.dtype != DType::kFloat32 || x.quant || y.quant) return {};
  if (x.rank < 2 || channels_last(x) || channels_last(y)) return {};
  if (c.has(1) && (c.in(1).dtype != DType::kBool || channels_last(c.in(1)))) return {};
  if (c.has(2) && (c.in(2).dtype != DType::kFloat32 || channels_last(c.in(2)))) return {};
  MaskedSoftmaxStep step;
  step.mask.scale = node.attr_float("scale", 1);
  step.mask.fill = node.attr_float("fill", 0);
  step.mask.turn = node.attr_int("masked_where", 1) != 0 ? 0 : 1;
  step.table = &kernels::softmax::table(c.isa);
  return runtime::Bound{
      [step](runtime::StepContext& context) { return guarded([&] { step(context); }); },
      "masked_softmax_" + std::string(base::name(step.table->isa))};
}

void infer(InferContext& c) { c.out(0, c.elem(0), c.shape(0)); }

// By the step, on the portable rows: there is no other form of this operator.
void reference(ComputeContext& c) { base::fail_unsupported("{} outside of a plan", c.node.op); }

}  // namespace

extern const Operator kMaskedSoftmax{.name = "MaskedSoftmax",
                                     .domain = "tersor.plan",
                                     .since = 0,
                                     .infer = infer,
                                     .reference = reference,
                                     .bind = bind,
                                     .max_inputs = 3};

}  // namespace tersor::ops

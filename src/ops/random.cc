// RandomUniform, RandomUniformLike, RandomNormal, RandomNormalLike, Bernoulli: a mt19937_64 with
// the node's seed; without one, from the system's entropy. Never folded.
#include <bit>
#include <random>

#include "ops/detail/arguments.h"
#include "ops/detail/dispatch.h"

namespace tersor::ops {
namespace {

using namespace detail;

std::mt19937_64 generator(const ir::Node& node) {
  if (node.has("seed")) return std::mt19937_64(std::bit_cast<uint32_t>(node.attr_float("seed", 0)));
  std::random_device device;
  return std::mt19937_64(uint64_t{device()} << 32 | device());
}

DType type_of(const ir::Node& node, DType otherwise) {
  return node.has("dtype") ? static_cast<DType>(node.attr_int("dtype", 1)) : otherwise;
}

template <bool kNormal>
Tensor draw(const ir::Node& node, Dims dims) {
  std::mt19937_64 random = generator(node);
  Tensor t = Tensor::empty(DType::kFloat64, std::move(dims));
  if constexpr (kNormal) {
    std::normal_distribution<double> d(node.attr_float("mean", 0), node.attr_float("scale", 1));
    for (double& v : t.mutable_data<double>()) v = d(random);
  } else {
    const double low = node.attr_float("low", 0), high = node.attr_float("high", 1);
    std::uniform_real_distribution<double> d(0, 1);
    for (double& v : t.mutable_data<double>()) v = low + (high - low) * d(random);
  }
  return t;
}

void infer_plain(InferContext& c) {
  c.out(0, type_of(c.node, DType::kFloat32), ir::to_shape(c.node.attr_ints("shape")));
}
void infer_like(InferContext& c) { c.out(0, type_of(c.node, c.elem(0)), c.shape(0)); }

template <bool kNormal>
void plain(ComputeContext& c) {
  c.outputs[0] = tensor::cast(draw<kNormal>(c.node, c.node.attr_ints("shape")),
                              type_of(c.node, DType::kFloat32));
}
template <bool kNormal>
void like(ComputeContext& c) {
  c.outputs[0] =
      tensor::cast(draw<kNormal>(c.node, c.in(0).dims()), type_of(c.node, c.in(0).dtype()));
}

void bernoulli(ComputeContext& c) {
  const Tensor& p = c.in(0);
  const Tensor u = draw<false>(c.node, p.dims());
  Tensor y = Tensor::empty(DType::kUint8, p.dims());
  for (int64_t i = 0; i < p.count(); ++i)
    y.mutable_data<uint8_t>()[static_cast<size_t>(i)] =
        u.data<double>()[static_cast<size_t>(i)] < tensor::as_double(p, i);
  c.outputs[0] = tensor::cast(y, type_of(c.node, p.dtype()));
}

constexpr Operator random(const char* name, void (*infer)(InferContext&),
                          void (*reference)(ComputeContext&)) {
  return {.name = name,
          .infer = infer,
          .reference = reference,
          .traits = {.data_inputs = 0},
          .deterministic = false};
}

}  // namespace

extern const Operator kRandomUniform = random("RandomUniform", infer_plain, plain<false>);
extern const Operator kRandomUniformLike = random("RandomUniformLike", infer_like, like<false>);
extern const Operator kRandomNormal = random("RandomNormal", infer_plain, plain<true>);
extern const Operator kRandomNormalLike = random("RandomNormalLike", infer_like, like<true>);
extern const Operator kBernoulli = random("Bernoulli", infer_like, bernoulli);

}  // namespace tersor::ops

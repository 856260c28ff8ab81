// Transpose: output axis i is input axis perm[i]; without perm the axes are reversed.
#include "kernels/transpose/transpose.h"

#include <algorithm>
#include <numeric>

#include "ops/detail/arguments.h"
#include "ops/detail/bind.h"
#include "ops/detail/move.h"
#include "ops/detail/walk.h"

namespace tersor::ops {
namespace {

using namespace detail;

std::vector<size_t> permutation(const ir::Node& node, int rank) {
  std::vector<size_t> perm(static_cast<size_t>(rank));
  if (!node.has("perm")) {
    std::iota(perm.rbegin(), perm.rend(), size_t{0});
    return perm;
  }
  const auto given = node.attr_ints("perm");
  std::vector<bool> seen(perm.size(), false);
  bool good = given.size() == perm.size();
  for (size_t i = 0; good && i < perm.size(); ++i) {
    good = given[i] >= 0 && given[i] < rank && !seen[static_cast<size_t>(given[i])];
    if (!good) break;
    perm[i] = static_cast<size_t>(given[i]);
    seen[perm[i]] = true;
  }
  if (!good)
    base::fail_input("E15", "perm {} is no permutation of {} axes", tensor::to_string(given), rank);
  return perm;
}

void infer(InferContext& c) {
  if (c.rank(0) < 0) {
    std::optional<ir::Shape> shape;
    if (c.node.has("perm")) shape.emplace(c.node.attr_ints("perm").size());
    return c.out(0, c.elem(0), std::move(shape));
  }
  ir::Shape out;
  for (size_t axis : permutation(c.node, c.rank(0))) out.push_back((*c.shape(0))[axis]);
  c.out(0, c.elem(0), std::move(out));
}

// The output's shape, and the strides that read it from x.
std::pair<Dims, Dims> turned(const ir::Node& node, const Tensor& x) {
  const Dims own = strides_of(x.dims());
  std::pair<Dims, Dims> t;
  for (size_t axis : permutation(node, x.rank())) {
    t.first.push_back(x.dims()[axis]);
    t.second.push_back(own[axis]);
  }
  return t;
}

void reference(ComputeContext& c) {
  const Tensor& x = c.in(0);
  const auto [dims, strides] = turned(c.node, x);
  Sink y(c, 0, x.dtype(), dims);
  y.strided(Source(x), 0, strides);
}

std::vector<int> axes(const ir::Node& node, int rank) {
  const std::vector<size_t> perm = permutation(node, rank);
  return {perm.begin(), perm.end()};
}

// A transpose that moves nothing but axes of one element shares the bytes.
std::optional<runtime::Bound> bind(const ir::Node& node, const runtime::BindContext& c) {
  if (!c.has(0) || !c.has_output(0) || tensor::bits(c.in(0).dtype) < 8) return {};
  if (c.in(0).quant || c.outputs[0].quant) {
    const auto in = byte_format(c.in(0)), out = byte_format(c.outputs[0]);
    if (!in || !out || !(*in == *out)) return moves<reference>(node, c);
  }
  const auto width = static_cast<size_t>(tensor::bits(c.in(0).dtype)) / 8;
  return runtime::Bound{
      [node, width, isa = c.isa](runtime::StepContext& step) {
        return guarded([&] {
          const Tensor& x = step.in(0);
          auto [dims, strides] = turned(node, x);
          int64_t behind = INT64_MAX;
          bool in_order = true;
          for (size_t i = 0; i < dims.size(); ++i) {
            if (dims[i] == 1) continue;
            in_order &= strides[i] < behind;
            behind = strides[i];
          }
          if (in_order || x.count() == 0) {
            step.outputs[0] = x.reshaped(std::move(dims));
            return;
          }
          Tensor& y = step.make(0, x.dtype(), dims);
          const auto plan = kernels::transpose::make_permute(x.dims(), axes(node, x.rank()),
                                                             static_cast<int>(width), isa);
          if (!plan) {
            copy_strided(width, dims, y.raw_mutable(), strides_of(dims), x.raw(), strides);
            return;
          }
          const int64_t per = std::max<int64_t>(1, x.count() / std::max<int64_t>(1, plan->rows));
          step.pool->parallel_for(plan->rows, std::max<int64_t>(1, 32768 / per),
                                  [&](int64_t begin, int64_t end, int) {
                                    run_permute(*plan, x.raw(), y.raw_mutable(), begin, end);
                                  });
        });
      },
      fmt::format("transpose_{}", base::name(kernels::transpose::table(c.isa).isa)),
      c.in(0).quant.has_value()};
}

}  // namespace

extern const Operator kTranspose{.name = "Transpose",
                                 .infer = infer,
                                 .reference = reference,
                                 .traits = {.quant = QuantClass::kMoves},
                                 .bind = bind};

}  // namespace tersor::ops

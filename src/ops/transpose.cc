// Transpose: output axis i is input axis perm[i]; without perm the axes are reversed.
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

void reference(ComputeContext& c) {
  const Tensor& x = c.in(0);
  const Dims own = strides_of(x.dims());
  Dims dims, strides;
  for (size_t axis : permutation(c.node, x.rank())) {
    dims.push_back(x.dims()[axis]);
    strides.push_back(own[axis]);
  }
  Sink y(c, 0, x.dtype(), dims);
  y.strided(Source(x), 0, strides);
}

}  // namespace

extern const Operator kTranspose{.name = "Transpose",
                                 .infer = infer,
                                 .reference = reference,
                                 .traits = {.quant = QuantClass::kMoves},
                                 .bind = moves<reference>};

}  // namespace tersor::ops

// Expand (8, 13): numpy broadcasting to a shape; Tile (6, 13): repeats along each axis.
#include "ops/detail/arguments.h"
#include "ops/detail/bind.h"
#include "ops/detail/move.h"
#include "ops/detail/walk.h"

namespace tersor::ops {
namespace {

using namespace detail;

// ---- Expand ------------------------------------------------------------------------------------

void expand_infer(InferContext& c) {
  const auto wanted = elements(c, 1);
  if (!wanted) {
    std::optional<ir::Shape> shape;
    if (c.rank(0) >= 0 && c.rank(1) == 1 && (*c.shape(1))[0].known() &&
        (*c.shape(1))[0].value <= 64)
      shape.emplace(std::max(c.shape(0)->size(), static_cast<size_t>((*c.shape(1))[0].value)));
    return c.out(0, c.elem(0), std::move(shape));
  }
  for (const ir::Dim& d : *wanted)
    if (const auto n = number(d); n && *n < 0)
      base::fail_input("E12", "dimension {} is negative", *n);
  c.out(0, c.elem(0), broadcast(c.shape(0), *wanted));
  const auto v = elements(c, 0);
  if (v && v->size() == 1 && wanted->size() == 1 && (*wanted)[0].known() &&
      (*wanted)[0].value <= 4096)
    c.set_contents(0, std::vector<ir::Dim>(static_cast<size_t>((*wanted)[0].value), (*v)[0]));
}

void expand(ComputeContext& c) {
  const Tensor& x = c.in(0);
  const Dims dims = broadcast_dims(x.dims(), tensor::to_int64s(c.in(1)));
  Sink y(c, 0, x.dtype(), dims);
  y.strided(Source(x), 0, broadcast_strides(x.dims(), dims));
}

// ---- Tile --------------------------------------------------------------------------------------

void tile_infer(InferContext& c) {
  const auto repeats = elements(c, 1);
  if (!c.shape(0)) return c.out(0, c.elem(0));
  ir::Shape out = *c.shape(0);
  if (repeats && repeats->size() != out.size())
    base::fail_input("E22", "{} repeats for a tensor of rank {}", repeats->size(), out.size());
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = repeats ? element_mul(out[i], (*repeats)[i]) : ir::Dim();
  c.out(0, c.elem(0), std::move(out));
}

// A tensor [a, b] repeated [r, s] times is [r, a, s, b] with strides [0, b, 0, 1].
void tile(ComputeContext& c) {
  const Tensor& x = c.in(0);
  const std::vector<int64_t> repeats = tensor::to_int64s(c.in(1));
  if (repeats.size() != x.dims().size())
    base::fail_input("E22", "{} repeats for a tensor of rank {}", repeats.size(), x.rank());
  const Dims strides = strides_of(x.dims());
  Dims dims, parts, from;
  for (size_t i = 0; i < repeats.size(); ++i) {
    if (repeats[i] < 0) base::fail_input("E22", "{} repeats in a Tile", repeats[i]);
    dims.push_back(base::checked_mul(repeats[i], x.dims()[i]));
    parts.insert(parts.end(), {repeats[i], x.dims()[i]});
    from.insert(from.end(), {0, strides[i]});
  }
  Sink y(c, 0, x.dtype(), dims);
  y.strided(parts, 0, strides_of(parts), Source(x), 0, from);
}

}  // namespace

extern const Operator kExpand{.name = "Expand",
                              .since = 8,
                              .infer = expand_infer,
                              .reference = expand,
                              .traits = {.quant = QuantClass::kMoves},
                              .bind = moves<expand>};
extern const Operator kTile{.name = "Tile",
                            .since = 6,
                            .infer = tile_infer,
                            .reference = tile,
                            .traits = {.quant = QuantClass::kMoves},
                            .bind = moves<tile>};

}  // namespace tersor::ops

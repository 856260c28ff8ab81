// DepthToSpace (1, 11, 13), SpaceToDepth (1, 13, 28), ReverseSequence (10), Compress (9, 11).
#include <algorithm>

#include "ops/detail/arguments.h"
#include "ops/detail/bind.h"
#include "ops/detail/dispatch.h"
#include "ops/detail/move.h"
#include "ops/detail/walk.h"

namespace tersor::ops {
namespace {

using namespace detail;

int64_t block_size(const ir::Node& node) {
  const int64_t b = node.attr_int("blocksize", 0);
  if (b < 1 || b > 1 << 20) base::fail_input("E22", "a block size of {}", b);
  return b;
}

// ---- DepthToSpace ------------------------------------------------------------------------------

void depth_to_space_infer(InferContext& c) {
  const int64_t b = block_size(c.node);
  if (c.rank(0) != 4) return c.out(0, c.elem(0));
  const ir::Shape& x = *c.shape(0);
  c.out(0, c.elem(0),
        ir::Shape{x[0], div(x[1], ir::Dim(b * b)), mul(x[2], ir::Dim(b)), mul(x[3], ir::Dim(b))});
}

void depth_to_space(ComputeContext& c) {
  const Tensor& x = c.in(0);
  const int64_t b = block_size(c.node);
  const std::string mode = c.node.attr_string("mode", "DCR");
  if (x.rank() != 4 || x.dim(1) % (b * b) != 0)
    base::fail_input("E22", "DepthToSpace with blocks of {} on shape {}", b,
                     tensor::to_string(x.dims()));
  if (mode != "DCR" && mode != "CRD")
    base::fail_input("E22", "the mode of a DepthToSpace is {}", base::quoted(mode));
  const int64_t n = x.dim(0), depth = x.dim(1) / (b * b), h = x.dim(2), w = x.dim(3);
  const int64_t height = base::checked_mul(h, b), width = base::checked_mul(w, b);
  Sink y(c, 0, x.dtype(), {n, depth, height, width});
  if (y.count() == 0) return;
  // Output [n, depth, h, b, w, b]; the input is [n, b, b, depth, h, w] or [n, depth, b, b, h, w].
  const Dims parts = {n, depth, h, b, w, b};
  const int64_t plane = h * w;
  const Dims from = mode == "DCR"
                        ? Dims{depth * b * b * plane, plane, w, b * depth * plane, 1, depth * plane}
                        : Dims{depth * b * b * plane, b * b * plane, w, b * plane, 1, plane};
  y.strided(parts, 0, strides_of(parts), Source(x), 0, from);
}

// ---- SpaceToDepth: the inverse of DepthToSpace --------------------------------------------------

void space_to_depth_infer(InferContext& c) {
  const int64_t b = block_size(c.node);
  if (c.rank(0) != 4) return c.out(0, c.elem(0));
  const ir::Shape& x = *c.shape(0);
  c.out(0, c.elem(0),
        ir::Shape{x[0], mul(x[1], ir::Dim(b * b)), div(x[2], ir::Dim(b)), div(x[3], ir::Dim(b))});
}

void space_to_depth(ComputeContext& c) {
  const Tensor& x = c.in(0);
  const int64_t b = block_size(c.node);
  if (x.rank() != 4 || x.dim(2) % b != 0 || x.dim(3) % b != 0)
    base::fail_input("E22", "SpaceToDepth with blocks of {} on shape {}", b,
                     tensor::to_string(x.dims()));
  const int64_t n = x.dim(0), ch = x.dim(1), h = x.dim(2) / b, w = x.dim(3) / b;
  Sink y(c, 0, x.dtype(), {n, base::checked_mul(ch, b * b), h, w});
  if (y.count() == 0) return;
  const int64_t line = w * b, plane = h * b * line;
  const std::string mode = c.node.attr_string("mode", "DCR");
  if (mode != "DCR" && mode != "CRD")
    base::fail_input("E22", "the mode of a SpaceToDepth is {}", base::quoted(mode));
  const bool dcr = mode == "DCR";
  const Dims parts = dcr ? Dims{n, b, b, ch, h, w} : Dims{n, ch, b, b, h, w};
  const Dims from = dcr ? Dims{ch * plane, line, 1, plane, b * line, b}
                        : Dims{ch * plane, plane, line, 1, b * line, b};
  y.strided(parts, 0, strides_of(parts), Source(x), 0, from);
}

// ---- both on channels-last tensors [n, h, w, c] -------------------------------------------------

void depth_to_space_last(ComputeContext& c) {
  const Tensor& x = c.in(0);
  const int64_t b = block_size(c.node);
  if (x.rank() != 4 || x.dim(3) % (b * b) != 0)
    base::fail_input("E22", "DepthToSpace with blocks of {} on {} channels", b, x.dims().back());
  const bool dcr = c.node.attr_string("mode", "DCR") == "DCR";
  const int64_t n = x.dim(0), h = x.dim(1), w = x.dim(2), ch = x.dim(3), depth = ch / (b * b);
  Sink y(c, 0, x.dtype(), {n, base::checked_mul(h, b), base::checked_mul(w, b), depth});
  if (y.count() == 0) return;
  const Dims parts = {n, h, b, w, b, depth};
  const Dims from = dcr ? Dims{h * w * ch, w * ch, b * depth, ch, depth, 1}
                        : Dims{h * w * ch, w * ch, b, ch, 1, b * b};
  y.strided(parts, 0, strides_of(parts), Source(x), 0, from);
}

void space_to_depth_last(ComputeContext& c) {
  const Tensor& x = c.in(0);
  const int64_t b = block_size(c.node);
  if (x.rank() != 4 || x.dim(1) % b != 0 || x.dim(2) % b != 0)
    base::fail_input("E22", "SpaceToDepth with blocks of {} on {} x {}", b, x.dim(1), x.dim(2));
  const bool dcr = c.node.attr_string("mode", "DCR") == "DCR";
  const int64_t n = x.dim(0), h = x.dim(1) / b, w = x.dim(2) / b, ch = x.dim(3);
  Sink y(c, 0, x.dtype(), {n, h, w, base::checked_mul(ch, b * b)});
  if (y.count() == 0) return;
  const int64_t line = w * b * ch;
  const Dims parts = dcr ? Dims{n, h, w, b, b, ch} : Dims{n, h, w, ch, b, b};
  const Dims from = dcr ? Dims{h * b * line, b * line, b * ch, line, ch, 1}
                        : Dims{h * b * line, b * line, b * ch, 1, line, ch};
  y.strided(parts, 0, strides_of(parts), Source(x), 0, from);
}

template <Reference kRows, Reference kLast>
std::optional<runtime::Bound> block_moves(const ir::Node& node, const runtime::BindContext& c) {
  if (!c.has(0)) return {};
  return bind_moves(node, c, channels_last(c.in(0)) ? kLast : kRows, "copy");
}

// ---- ReverseSequence ---------------------------------------------------------------------------

void reverse_sequence(ComputeContext& c) {
  const Tensor& x = c.in(0);
  const int64_t batch_axis = c.node.attr_int("batch_axis", 1);
  const int64_t time_axis = c.node.attr_int("time_axis", 0);
  if (x.rank() < 2 || batch_axis + time_axis != 1 || batch_axis * time_axis != 0)
    base::fail_input("E22", "ReverseSequence with batch axis {} and time axis {}", batch_axis,
                     time_axis);
  const int64_t batches = x.dim(static_cast<size_t>(batch_axis));
  const int64_t times = x.dim(static_cast<size_t>(time_axis));
  const std::vector<int64_t> lengths = tensor::to_int64s(c.in(1));
  if (static_cast<int64_t>(lengths.size()) != batches)
    base::fail_input("E22", "{} lengths for {} sequences", lengths.size(), batches);
  const Dims strides = strides_of(x.dims());
  const int64_t run = strides[1];
  const int64_t bs = strides[static_cast<size_t>(batch_axis)];
  const int64_t ts = strides[static_cast<size_t>(time_axis)];
  const Source from(x);
  Sink y(c, 0, x.dtype(), x.dims());
  if (y.count() == 0) return;
  for (int64_t b = 0; b < batches; ++b) {
    const int64_t n = lengths[static_cast<size_t>(b)];
    if (n < 0 || n > times) base::fail_input("E21", "a length of {} in {} steps", n, times);
    for (int64_t t = 0; t < times; ++t)
      y.copy(b * bs + t * ts, from, b * bs + (t < n ? n - 1 - t : t) * ts, run);
  }
}

// ---- Compress: slices along an axis (or elements) where the condition holds
// ------------------------

void compress_infer(InferContext& c) {
  if (!c.node.has("axis")) return c.out(0, c.elem(0), ir::Shape(1));
  if (c.rank(0) < 0) return c.out(0, c.elem(0));
  ir::Shape out = *c.shape(0);
  out[static_cast<size_t>(normalize_axis(c.node.attr_int("axis", 0), c.rank(0)))] = ir::Dim();
  c.out(0, c.elem(0), std::move(out));
}

void compress(ComputeContext& c) {
  const Tensor& x = c.in(0);
  const bool flat = !c.node.has("axis");
  const int axis = flat ? 0 : normalize_axis(c.node.attr_int("axis", 0), x.rank());
  Dims dims = flat ? Dims{x.count()} : x.dims();
  const AxisSplit s = split_at(dims, axis);
  if (c.in(1).dtype() != DType::kBool)
    base::fail_input("E16", "the condition of Compress is {}", tensor::name(c.in(1).dtype()));
  const auto condition = bool_bytes(c.in(1));
  std::vector<int64_t> kept;
  for (size_t i = 0; i < condition.size(); ++i) {
    if (!condition[i]) continue;
    if (static_cast<int64_t>(i) >= s.length)
      base::fail_input("E21", "index {} is outside an axis of {} elements", i, s.length);
    kept.push_back(static_cast<int64_t>(i));
  }
  dims[static_cast<size_t>(axis)] = static_cast<int64_t>(kept.size());
  const Source from(x);
  Sink y(c, 0, x.dtype(), dims);
  int64_t to = 0;
  for (int64_t o = 0; o < s.outer; ++o)
    for (int64_t k : kept) {
      y.copy(to, from, (o * s.length + k) * s.inner, s.inner);
      to += s.inner;
    }
}

constexpr Operator rearranges(const char* name, void (*infer)(InferContext&),
                              void (*reference)(ComputeContext&), decltype(Operator::bind) bind,
                              LayoutClass layout = LayoutClass::kRows) {
  return {.name = name,
          .infer = infer,
          .reference = reference,
          .traits = {.quant = QuantClass::kMoves, .layout = layout},
          .bind = bind};
}

}  // namespace

extern const Operator kDepthToSpace =
    rearranges("DepthToSpace", depth_to_space_infer, depth_to_space,
               block_moves<depth_to_space, depth_to_space_last>, LayoutClass::kAware);
extern const Operator kSpaceToDepth =
    rearranges("SpaceToDepth", space_to_depth_infer, space_to_depth,
               block_moves<space_to_depth, space_to_depth_last>, LayoutClass::kAware);
extern const Operator kReverseSequence =
    rearranges("ReverseSequence", infer_same, reverse_sequence, moves<reverse_sequence>);
extern const Operator kCompress = rearranges("Compress", compress_infer, compress, moves<compress>);

}  // namespace tersor::ops

// NonMaxSuppression (10, 11): for each batch and class, boxes by falling score, each kept if it
// overlaps none kept before by more than the threshold.
#include <algorithm>
#include <limits>
#include <numeric>

#include "ops/detail/arguments.h"
#include "ops/detail/bind.h"

namespace tersor::ops {
namespace {

using namespace detail;

struct Box {
  float y1, x1, y2, x2;
  float area() const { return (y2 - y1) * (x2 - x1); }
};

Box box_at(const float* b, bool centred) {
  if (centred) {
    const float x = b[0], y = b[1], w = b[2], h = b[3];
    return {y - h / 2, x - w / 2, y + h / 2, x + w / 2};
  }
  // Any pair of opposite corners.
  return {std::min(b[0], b[2]), std::min(b[1], b[3]), std::max(b[0], b[2]), std::max(b[1], b[3])};
}

bool overlap(const Box& a, const Box& b, float threshold) {
  const float h = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  const float w = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  if (!(h > 0) || !(w > 0)) return false;
  const float shared = h * w, together = a.area() + b.area() - shared;
  return a.area() > 0 && b.area() > 0 && together > 0 && shared / together > threshold;
}

// Triples of batch, class, box.
std::vector<int64_t> select(const Tensor& boxes, const Tensor& scores, int64_t most, float iou,
                            float least, bool centred) {
  if (boxes.dtype() != DType::kFloat32 || scores.dtype() != DType::kFloat32)
    base::fail_input("E16", "boxes are {}, scores {}; float32 is needed",
                     tensor::name(boxes.dtype()), tensor::name(scores.dtype()));
  if (boxes.rank() != 3 || scores.rank() != 3 || boxes.dim(2) != 4 ||
      boxes.dim(0) != scores.dim(0) || boxes.dim(1) != scores.dim(2))
    base::fail_input("E17", "boxes of shape {} and scores of shape {}",
                     tensor::to_string(boxes.dims()), tensor::to_string(scores.dims()));
  const int64_t count = boxes.dim(1), classes = scores.dim(1);
  std::vector<int64_t> chosen;
  if (most <= 0) return chosen;
  std::vector<int64_t> order;
  std::vector<Box> kept;
  for (int64_t n = 0; n < boxes.dim(0); ++n)
    for (int64_t c = 0; c < classes; ++c) {
      const float* s = scores.data<float>().data() + (n * classes + c) * count;
      const float* b = boxes.data<float>().data() + n * count * 4;
      order.clear();
      for (int64_t i = 0; i < count; ++i)
        if (s[i] > least) order.push_back(i);
      std::ranges::stable_sort(order, [&](int64_t p, int64_t q) { return s[p] > s[q]; });
      kept.clear();
      for (int64_t i : order) {
        if (static_cast<int64_t>(kept.size()) >= most) break;
        const Box box = box_at(b + i * 4, centred);
        const bool free =
            std::ranges::none_of(kept, [&](const Box& other) { return overlap(box, other, iou); });
        if (!free) continue;
        kept.push_back(box);
        chosen.insert(chosen.end(), {n, c, i});
      }
    }
  return chosen;
}

void infer(InferContext& c) { c.out(0, DType::kInt64, ir::Shape{ir::Dim(), 3}); }

void reference(ComputeContext& c) {
  constexpr double kAny = -std::numeric_limits<double>::infinity();
  const std::vector<int64_t> chosen = select(
      c.in(0), c.in(1), scalar_int(c, 2, 0), static_cast<float>(scalar_double(c, 3, 0)),
      static_cast<float>(scalar_double(c, 4, kAny)), c.node.attr_int("center_point_box", 0) != 0);
  Tensor& y = c.out(0, DType::kInt64, {static_cast<int64_t>(chosen.size()) / 3, 3});
  std::ranges::copy(chosen, y.mutable_data<int64_t>().begin());
}

}  // namespace

extern const Operator kNonMaxSuppression{.name = "NonMaxSuppression",
                                         .since = 10,
                                         .infer = infer,
                                         .reference = reference,
                                         .traits = {.data_inputs = 0}};

}  // namespace tersor::ops

#include "engine/convert_layout.h"

#include <algorithm>

#include "kernels/transpose/transpose.h"

namespace tersor::engine {
namespace {

struct Geometry {
  Dims to;
  int64_t batch, rows, columns;
};

Geometry geometry(const Dims& from, bool to_channels_last) {
  Geometry g{{from[0]}, from[0], 1, 1};
  if (to_channels_last) {
    g.to.insert(g.to.end(), from.begin() + 2, from.end());
    g.to.push_back(from[1]);
    g.rows = from[1];
    for (size_t i = 2; i < from.size(); ++i) g.columns *= from[i];
  } else {
    g.to.push_back(from.back());
    g.to.insert(g.to.end(), from.begin() + 1, from.end() - 1);
    g.columns = from.back();
    for (size_t i = 1; i + 1 < from.size(); ++i) g.rows *= from[i];
  }
  return g;
}

// Fills `y` by pieces of rows of the images of `x`, from `begin` to `end` of them all.
constexpr int64_t kRows = 64;
int64_t pieces(const Geometry& g) { return g.batch * ((g.rows + kRows - 1) / kRows); }
void convert(const Geometry& g, const Tensor& x, std::byte* y, base::IsaSet isa, int64_t begin,
             int64_t end) {
  const int size = tensor::bits(x.dtype()) / 8;
  const kernels::transpose::Matrix transpose = kernels::transpose::table(isa).matrix(size);
  const int64_t each = pieces(g) / g.batch, image = g.rows * g.columns * size;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t row = i % each * kRows, offset = i / each * image;
    transpose(x.raw() + offset + row * g.columns * size, y + offset + row * size,
              std::min(kRows, g.rows - row), g.columns, g.columns, g.rows);
  }
}

}  // namespace

Tensor to_rows(const Tensor& x) {
  const Geometry g = geometry(x.dims(), false);
  if (g.rows == 1 || g.columns == 1) return x.reshaped(g.to);
  Tensor y = Tensor::empty(x.dtype(), g.to);
  if (g.batch > 0) convert(g, x, y.raw_mutable(), base::detect_isa(), 0, pieces(g));
  return y;
}

runtime::Call convert_layout(bool to_channels_last, base::IsaSet isa) {
  return [to_channels_last, isa](runtime::StepContext& c) {
    const Tensor& x = c.in(0);
    const Geometry g = geometry(x.dims(), to_channels_last);
    if (g.rows == 1 || g.columns == 1) {
      c.outputs[0] = x.reshaped(g.to);
      return runtime::Status{};
    }
    std::byte* y = c.make(0, x.dtype(), g.to).raw_mutable();
    const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, g.columns * kRows));
    c.pool->parallel_for(pieces(g), grain, [&](int64_t begin, int64_t end, int) {
      convert(g, x, y, isa, begin, end);
    });
    return runtime::Status{};
  };
}

}  // namespace tersor::engine

#include <algorithm>

#include "kernels/gemm_f32/gemm_f32.h"

namespace tersor::kernels {
namespace {

// A[p][m][k] of a group, by the definition of the convolution.
double element(const RowSource& a, int64_t group_offset, int64_t p, int64_t m, int64_t k) noexcept {
  const auto* data = static_cast<const float*>(a.data);
  if (!a.conv) return data[m * a.stride + k];
  const ConvShape& s = *a.conv;
  const int64_t ox = m % s.ow, oy = m / s.ow % s.oh, image = m / (s.ow * s.oh);
  const int64_t y = oy * s.stride_h - s.pad_top + p / s.kw * s.dilation_h;
  const int64_t x = ox * s.stride_w - s.pad_left + p % s.kw * s.dilation_w;
  if (y < 0 || y >= s.h || x < 0 || x >= s.w) return static_cast<const float*>(a.padding)[k];
  return data[((image * s.h + y) * s.w + x) * s.pixel_stride() + group_offset + k];
}

}  // namespace

void reference(const MatrixLayout& l, const float* b, const GemmF32Call& call, int64_t m) noexcept {
  const auto* residual = static_cast<const float*>(call.residual);
  auto* out = static_cast<float*>(call.out);
  for (int64_t row = 0; row < m; ++row)
    for (int64_t g = 0; g < l.groups; ++g)
      for (int64_t n = 0; n < l.n; ++n) {
        const int64_t column = g * l.n + n;
        double sum = call.bias ? call.bias[column] : 0.0;
        for (int64_t p = 0; p < l.positions; ++p)
          for (int64_t k = 0; k < l.k; ++k)
            sum += element(call.a, g * l.k, p, row, k) *
                   b[g * l.group_stride + p * l.position_stride + k * l.k_stride + n * l.n_stride];
        if (residual) sum += residual[row * call.residual_stride + column];
        const float y = static_cast<float>(sum);
        out[row * call.out_stride + column] = y < call.min ? call.min : y > call.max ? call.max : y;
      }
}

}  // namespace tersor::kernels

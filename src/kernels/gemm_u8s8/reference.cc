#include <algorithm>
#include <cmath>

#include "kernels/gemm_u8s8/gemm_u8s8.h"

namespace tersor::kernels {
namespace {

int32_t read(const void* data, bool is_signed, int64_t i) noexcept {
  return is_signed ? int32_t{static_cast<const int8_t*>(data)[i]}
                   : int32_t{static_cast<const uint8_t*>(data)[i]};
}

// A[p][m][k] of a group, by the definition of the convolution.
int32_t element(const GemmU8S8Call& call, int64_t group_offset, int64_t p, int64_t m,
                int64_t k) noexcept {
  const RowSource& a = call.a;
  if (!a.conv) return read(a.data, call.a_signed, m * a.stride + k);
  const ConvShape& s = *a.conv;
  const int64_t ox = m % s.ow, oy = m / s.ow % s.oh, image = m / (s.ow * s.oh);
  const int64_t y = oy * s.stride_h - s.pad_top + p / s.kw * s.dilation_h;
  const int64_t x = ox * s.stride_w - s.pad_left + p % s.kw * s.dilation_w;
  if (y < 0 || y >= s.h || x < 0 || x >= s.w) return read(a.padding, call.a_signed, k);
  return read(a.data, call.a_signed, ((image * s.h + y) * s.w + x) * s.c + group_offset + k);
}

void finish(const GemmU8S8Call& call, int64_t m, int64_t n, int32_t acc) noexcept {
  const GemmU8S8Epilogue& e = call.epilogue;
  const int64_t at = m * call.out_stride + n;
  if (e.kind == GemmOutput::s32) {
    static_cast<int32_t*>(call.out)[at] = acc;
  } else if (e.kind == GemmOutput::f32) {
    float y = static_cast<float>(acc) * e.scale[n] + (e.fbias ? e.fbias[n] : 0.0f);
    if (e.residual) y += e.residual[m * e.residual_stride + n];
    static_cast<float*>(call.out)[at] = y < e.min ? e.min : y > e.max ? e.max : y;
  } else {
    const double y = static_cast<double>(std::nearbyint(static_cast<float>(acc) * e.scale[n])) +
                     static_cast<double>(e.zero);
    static_cast<uint8_t*>(call.out)[at] =
        static_cast<uint8_t>(static_cast<int>(std::clamp<double>(y, e.qmin, e.qmax)));
  }
}

}  // namespace

void reference(const MatrixLayout& l, const void* b, bool b_signed, const GemmU8S8Zeros& zeros,
               const GemmU8S8Call& call, int64_t m) noexcept {
  for (int64_t row = 0; row < m; ++row)
    for (int64_t g = 0; g < l.groups; ++g)
      for (int64_t n = 0; n < l.n; ++n) {
        const int64_t column = g * l.n + n;
        const int32_t zw = zeros.zw_count == 0 ? 0 : zeros.zw[zeros.zw_count == 1 ? 0 : column];
        int64_t acc = call.epilogue.bias ? call.epilogue.bias[column] : 0;
        for (int64_t p = 0; p < l.positions; ++p)
          for (int64_t k = 0; k < l.k; ++k) {
            const int64_t at =
                g * l.group_stride + p * l.position_stride + k * l.k_stride + n * l.n_stride;
            acc += int64_t{element(call, g * l.k, p, row, k) - zeros.za} *
                   (read(b, b_signed, at) - zw);
          }
        finish(call, row, column, static_cast<int32_t>(acc));
      }
}

}  // namespace tersor::kernels

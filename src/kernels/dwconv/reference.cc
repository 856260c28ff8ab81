#include <algorithm>
#include <cmath>

#include "kernels/dwconv/dwconv.h"

namespace tersor::kernels {
namespace {

// Index of the input pixel that position p of output pixel m reads, or -1 in the padding.
int64_t input_pixel(const ConvShape& s, int64_t m, int64_t p) noexcept {
  const int64_t ox = m % s.ow, oy = m / s.ow % s.oh, image = m / (s.ow * s.oh);
  const int64_t y = oy * s.stride_h - s.pad_top + p / s.kw * s.dilation_h;
  const int64_t x = ox * s.stride_w - s.pad_left + p % s.kw * s.dilation_w;
  if (y < 0 || y >= s.h || x < 0 || x >= s.w) return -1;
  return (image * s.h + y) * s.w + x;
}

int32_t read(const void* data, bool is_signed, int64_t i) noexcept {
  return is_signed ? int32_t{static_cast<const int8_t*>(data)[i]}
                   : int32_t{static_cast<const uint8_t*>(data)[i]};
}

}  // namespace

void reference(const ConvShape& s, const float* w, const DwconvF32Call& call) noexcept {
  const auto *in = static_cast<const float*>(call.in),
             *padding = static_cast<const float*>(call.padding);
  auto* out = static_cast<float*>(call.out);
  for (int64_t m = 0; m < s.pixels(); ++m)
    for (int64_t c = 0; c < s.c; ++c) {
      double sum = call.bias ? call.bias[c] : 0.0;
      for (int64_t p = 0; p < s.positions(); ++p) {
        const int64_t pixel = input_pixel(s, m, p);
        const double x = pixel < 0 ? padding[c] : in[pixel * s.c + c];
        sum += x * w[c * s.positions() + p];
      }
      const float y = static_cast<float>(sum);
      out[m * s.c + c] = y < call.min ? call.min : y > call.max ? call.max : y;
    }
}

void reference(const ConvShape& s, const void* w, const DwconvU8S8Constants& k,
               const DwconvU8S8Call& call) noexcept {
  for (int64_t m = 0; m < s.pixels(); ++m)
    for (int64_t c = 0; c < s.c; ++c) {
      const int32_t zw = k.zw_count == 0 ? 0 : k.zw[k.zw_count == 1 ? 0 : c];
      int32_t acc = k.bias ? k.bias[c] : 0;
      for (int64_t p = 0; p < s.positions(); ++p) {
        const int64_t pixel = input_pixel(s, m, p);
        const int32_t x = pixel < 0 ? read(call.padding, call.a_signed, c)
                                    : read(call.in, call.a_signed, pixel * s.c + c);
        acc += (x - k.za) * (read(w, k.w_signed, c * s.positions() + p) - zw);
      }
      const int64_t at = m * s.c + c;
      if (call.kind == GemmOutput::s32) {
        static_cast<int32_t*>(call.out)[at] = acc;
      } else if (call.kind == GemmOutput::f32) {
        const float y = static_cast<float>(acc) * k.scale[c] + (k.fbias ? k.fbias[c] : 0.0f);
        static_cast<float*>(call.out)[at] = y < call.min ? call.min : y > call.max ? call.max : y;
      } else {
        const double y = static_cast<double>(std::nearbyint(static_cast<float>(acc) * k.scale[c])) +
                         static_cast<double>(call.zero);
        static_cast<uint8_t*>(call.out)[at] =
            static_cast<uint8_t>(static_cast<int>(std::clamp<double>(y, call.qmin, call.qmax)));
      }
    }
}

}  // namespace tersor::kernels

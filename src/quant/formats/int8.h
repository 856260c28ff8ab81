// The numbers of 8-bit quantization, and of 4-bit weights: scales, zero points, rounded weights and
// biases.
#pragma once

#include <span>
#include <vector>

#include "quant/decisions.h"

namespace tersor::quant {

// Unsigned, asymmetric: real = (q - zero_point) * scale with q in 0..255. The range is widened to
// contain zero, and zero is exactly representable. A range that starts at zero has zero point 0 and
// never reaches beyond range.hi.
Format asymmetric_u8(const stats::Range& range);

// Signed, symmetric: real = q * scale with q in -128..127, zero point 0; covers the larger end of
// the range.
Format symmetric_s8(const stats::Range& range);
// The share of what was seen that is farther than half a step outside the range: all else is rounded
// as inside of it.
double clipped_share(const stats::TensorStats& seen, const Format& format);
// What the target takes of the two.
Format activation_format(const stats::Range& range, const Target& target);

// The codes that weights take: -127..127 of int8, whose ends are alike, and all of int4.
struct CodeRange {
  int low, high;
};
CodeRange weight_codes(DType dtype);
// Signed, symmetric, zero point 0, int8 or int4; the largest weight becomes the highest code. axis
// -1: one scale for the whole tensor. Scales are positive. [Jacob et al. 2018, "Quantization and
// Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference"]
Format symmetric_weights(const Tensor& weight, int axis, DType dtype = DType::kInt8);

// The least scale of weights with which a bias fits its 32 bits, with a bit to spare, at the scale
// input_scale * weight_scale.
float least_scale_for_bias(float input_scale, float bias);
// Raises the scales of `weight` so far that every bias fits.
void make_room_for_bias(Format& weight, float input_scale, std::span<const float> bias);

// round(x / scale), half to even, saturated; uint8, or int8 that is within weight_codes() if the
// format says int4.
Tensor quantize(const Tensor& real, const Format& format);
// (q - zero_point) * scale in float32.
Tensor dequantize(const Tensor& codes, const Format& format);
// int32 biases at input_scale * weight scale, computed as runtimes do: one float product per
// channel.
struct Bias {
  Tensor codes;  // int32 [channels]
  QuantParams params;
};
Bias quantize_bias(std::span<const float> bias, float input_scale, const Format& weight);

}  // namespace tersor::quant

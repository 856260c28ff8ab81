// The two transforms of winograd_bf16 over the vector language. Included inside the target region
// and the namespace of one ISA. No include guard.

template <typename S>
[[gnu::always_inline]] inline typename S::f32 minus(typename S::f32 a, typename S::f32 b) noexcept {
  return S::fmadd(b, S::set(-1.0f), a);
}

// Four values times B.
template <typename S>
[[gnu::always_inline]] inline void times_b(const typename S::f32 (&d)[4],
                                           typename S::f32 (&r)[4]) noexcept {
  r[0] = minus<S>(d[0], d[2]);
  r[1] = S::add(d[1], d[2]);
  r[2] = minus<S>(d[2], d[1]);
  r[3] = minus<S>(d[1], d[3]);
}

// Four sums times A: two outputs.
template <typename S>
[[gnu::always_inline]] inline void times_a(const typename S::f32 (&m)[4],
                                           typename S::f32 (&y)[2]) noexcept {
  y[0] = S::add(m[0], S::add(m[1], m[2]));
  y[1] = minus<S>(minus<S>(m[1], m[2]), m[3]);
}

#include "kernels/winograd/float_tiles-inl.h"

template <typename S>
void transform(const WinogradBf16Block& b) noexcept {
  transform_pixels<S, 2>(b.call->a, static_cast<const simd::bfloat16*>(b.call->a.data), b.tiles,
                         b.inputs, b.weights->c, b.input_stride());
}

template <typename S>
void restore(const WinogradBf16Block& b, int64_t panel) noexcept {
  const int64_t width = b.weights->row->nr;
  restore_tiles<S, 2>(*b.call, static_cast<simd::bfloat16*>(b.call->out), b.tiles, b.outputs, width,
                      b.output_stride(), panel * width, b.weights->n);
}

// One output element from one (or two, broadcast) input elements.
#pragma once

#include "ops/detail/dispatch.h"
#include "ops/detail/walk.h"
#include "ops/operator.h"

namespace tersor::ops::detail {

// y[i] = f(x[i]) for types T -> T in `kSet`. `f` is called with the arithmetic type.
template <unsigned kSet, typename F>
void map_unary(ComputeContext& c, F f) {
  const Tensor& x = c.in(0);
  dispatch<kSet>(x.dtype(), [&]<typename T>() {
    Tensor& y = c.out(0, x.dtype(), x.dims());
    const auto in = x.data<T>();
    const auto out = y.mutable_data<T>();
    for (size_t i = 0; i < in.size(); ++i)
      out[i] = store<T>(static_cast<arithmetic_t<T>>(f(load(in[i]))));
  });
}

// out[i] = f(a[..], b[..]) with numpy broadcasting; raw pointers of element types A, B, R.
template <typename A, typename B, typename R, typename F>
void map_binary(const A* a, std::span<const int64_t> a_dims, const B* b,
                std::span<const int64_t> b_dims, R* out, std::span<const int64_t> dims, F f) {
  const int64_t n = base::element_count(dims);
  const int64_t na = base::element_count(a_dims), nb = base::element_count(b_dims);
  if (na == n && nb == n) {
    for (int64_t i = 0; i < n; ++i) out[i] = f(a[i], b[i]);
  } else if (na == n && nb == 1) {
    for (int64_t i = 0; i < n; ++i) out[i] = f(a[i], b[0]);
  } else if (na == 1 && nb == n) {
    for (int64_t i = 0; i < n; ++i) out[i] = f(a[0], b[i]);
  } else {
    walk<2>(dims, {broadcast_strides(a_dims, dims), broadcast_strides(b_dims, dims)},
            [&](const std::array<int64_t, 2>& o) { *out++ = f(a[o[0]], b[o[1]]); });
  }
}

// R of the arithmetic type of T.
template <typename T, typename F>
Tensor combine(ComputeContext& c, size_t index, const Tensor& a, const Tensor& b, F f) {
  const Dims dims = broadcast_dims(a.dims(), b.dims());
  const auto x = a.data<T>();
  const auto y = b.data<T>();
  Tensor result = c.out(index, a.dtype(), dims);
  map_binary(x.data(), a.dims(), y.data(), b.dims(), result.mutable_data<T>().data(), dims,
             [&](T p, T q) { return store<T>(static_cast<arithmetic_t<T>>(f(load(p), load(q)))); });
  return result;
}

}  // namespace tersor::ops::detail

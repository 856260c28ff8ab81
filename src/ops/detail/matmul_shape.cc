#include "ops/detail/matmul_shape.h"

#include "base/error.h"
#include "ops/detail/walk.h"

namespace tersor::ops::detail {
namespace {

std::span<const int64_t> batch_of(std::span<const int64_t> dims) {
  return dims.size() > 2 ? dims.first(dims.size() - 2) : std::span<const int64_t>();
}

}  // namespace

MatMulShape matmul_shape(std::span<const int64_t> a, std::span<const int64_t> b) {
  MatMulShape s;
  if (a.empty() || b.empty()) base::fail_input("E17", "a matrix product with a scalar");
  s.row = a.size() == 1;
  s.column = b.size() == 1;
  s.k = a.back();
  s.m = s.row ? 1 : a[a.size() - 2];
  s.n = s.column ? 1 : b.back();
  if (s.k != (s.column ? b[0] : b[b.size() - 2]))
    base::fail_input("E17", "a matrix product of shapes {} and {}", tensor::to_string(a),
                     tensor::to_string(b));
  s.batch = broadcast_dims(batch_of(a), batch_of(b));
  s.out = s.batch;
  if (!s.row) s.out.push_back(s.m);
  if (!s.column) s.out.push_back(s.n);
  return s;
}

std::optional<ir::Shape> infer_matmul(const std::optional<ir::Shape>& a,
                                      const std::optional<ir::Shape>& b) {
  if (!a || !b) return {};
  if (a->empty() || b->empty()) base::fail_input("E17", "a matrix product with a scalar");
  const bool row = a->size() == 1, column = b->size() == 1;
  const ir::Dim &ka = a->back(), &kb = column ? (*b)[0] : (*b)[b->size() - 2];
  if (ka.known() && kb.known() && ka.value != kb.value)
    base::fail_input("E17", "a matrix product of shapes {} and {}", ir::to_string(*a),
                     ir::to_string(*b));
  const auto batch = [](const ir::Shape& s) {
    return s.size() > 2 ? ir::Shape(s.begin(), s.end() - 2) : ir::Shape();
  };
  ir::Shape out = *broadcast(batch(*a), batch(*b));
  if (!row) out.push_back((*a)[a->size() - 2]);
  if (!column) out.push_back(b->back());
  return out;
}

std::vector<std::pair<int64_t, int64_t>> matmul_batches(const MatMulShape& shape,
                                                        std::span<const int64_t> a,
                                                        std::span<const int64_t> b) {
  std::vector<std::pair<int64_t, int64_t>> pairs;
  walk<2>(
      shape.batch,
      {broadcast_strides(batch_of(a), shape.batch), broadcast_strides(batch_of(b), shape.batch)},
      [&](const std::array<int64_t, 2>& at) { pairs.emplace_back(at[0], at[1]); });
  return pairs;
}

}  // namespace tersor::ops::detail

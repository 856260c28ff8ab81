#include "kernels/transpose/transpose.h"

#include <algorithm>
#include <cstring>

#include "kernels/loops/pick.h"

namespace tersor::kernels::transpose {

namespace portable {
extern const Table kTable;
}
namespace avx2 {
extern const Table kTable;
}
namespace avx512 {
extern const Table kTable;
}

const Table& table(base::IsaSet isa) noexcept {
  return pick(isa, portable::kTable, avx2::kTable, avx512::kTable);
}

namespace {

constexpr int64_t kBlock = 64;  // elements of the matrix axis in one unit of work

// Output axes without those of size one, and with neighbours joined that are neighbours in the
// input.
bool collapse(std::span<const int64_t> dims, std::span<const int> perm, Permute& plan) noexcept {
  const auto rank = static_cast<int>(dims.size());
  for (int o = 0; o < rank; ++o) {
    const int axis = perm[static_cast<size_t>(o)];
    const int64_t size = dims[static_cast<size_t>(axis)];
    if (size == 1) continue;
    int64_t stride = 1;
    for (int a = axis + 1; a < rank; ++a) stride *= dims[static_cast<size_t>(a)];
    const int last = plan.rank - 1;
    if (plan.rank > 0 && plan.strides[last] == stride * size) {
      plan.dims[last] *= size;
      plan.strides[last] = stride;
      continue;
    }
    if (plan.rank == kMaxRank) return false;
    plan.dims[plan.rank] = size;
    plan.strides[plan.rank++] = stride;
  }
  if (plan.rank == 0) {
    plan.rank = 1;
    plan.dims[0] = plan.strides[0] = 1;
  }
  return true;
}

bool is_permutation(std::span<const int> perm) noexcept {
  for (size_t i = 0; i < perm.size(); ++i) {
    if (perm[i] < 0 || perm[i] >= static_cast<int>(perm.size())) return false;
    for (size_t j = 0; j < i; ++j)
      if (perm[i] == perm[j]) return false;
  }
  return true;
}

// Where unit `index` over the axes [0, outer), but for axis `skip`, begins: in x and in y,
// elements.
struct Place {
  int64_t x = 0, y = 0;
};
Place place(const Permute& plan, int outer, int skip, int64_t index) noexcept {
  Place p;
  int64_t y_stride = 1;
  for (int axis = plan.rank - 1; axis >= 0; --axis) {
    if (axis < outer && axis != skip) {
      const int64_t i = index % plan.dims[axis];
      index /= plan.dims[axis];
      p.x += i * plan.strides[axis];
      p.y += i * y_stride;
    }
    y_stride *= plan.dims[axis];
  }
  return p;
}

}  // namespace

std::optional<Permute> make_permute(std::span<const int64_t> dims, std::span<const int> perm,
                                    int element, base::IsaSet isa) noexcept {
  Permute plan;
  plan.element = element;
  plan.matrix = table(isa).matrix(element);
  if (!plan.matrix || perm.size() != dims.size() || !is_permutation(perm)) return {};
  if (std::ranges::find(dims, 0) != dims.end()) return plan;
  if (!collapse(dims, perm, plan)) return {};
  const int last = plan.rank - 1;
  plan.rows = 1;
  for (int axis = 0; axis < last; ++axis) plan.rows *= plan.dims[axis];
  if (plan.strides[last] == 1) {
    plan.kind = Permute::Kind::copy;
    return plan;
  }
  plan.kind = Permute::Kind::matrix;
  plan.matrix_axis = last;
  for (int axis = 0; axis < last; ++axis)
    if (plan.strides[axis] == 1) plan.matrix_axis = axis;
  const int64_t side = plan.dims[plan.matrix_axis];
  plan.rows = plan.rows / side * ((side + kBlock - 1) / kBlock);
  return plan;
}

void run_permute(const Permute& plan, const void* x, void* y, int64_t begin, int64_t end) noexcept {
  const auto* from = static_cast<const char*>(x);
  auto* to = static_cast<char*>(y);
  const int last = plan.rank - 1;
  if (plan.kind == Permute::Kind::copy) {
    const int64_t n = plan.dims[last];
    for (int64_t i = begin; i < end; ++i)
      std::memcpy(to + i * n * plan.element, from + place(plan, last, -1, i).x * plan.element,
                  static_cast<size_t>(n * plan.element));
  } else if (plan.kind == Permute::Kind::matrix) {
    const int axis = plan.matrix_axis;
    const int64_t side = plan.dims[axis], blocks = (side + kBlock - 1) / kBlock;
    int64_t y_stride = 1;
    for (int a = axis + 1; a < plan.rank; ++a) y_stride *= plan.dims[a];
    for (int64_t i = begin; i < end; ++i) {
      const Place p = place(plan, last, axis, i / blocks);
      const int64_t c = i % blocks * kBlock;
      plan.matrix(from + (p.x + c) * plan.element, to + (p.y + c * y_stride) * plan.element,
                  plan.dims[last], std::min(kBlock, side - c), plan.strides[last], y_stride);
    }
  }
}

}  // namespace tersor::kernels::transpose

#include "kernels/resize/resize.h"

#include <cstring>

#include "kernels/loops/pick.h"

namespace tersor::kernels::resize {

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

// kBytes: the size of a pixel where the compiler shall know it, or 0.
template <int kBytes>
void nearest_rows(const char* x, char* y, int64_t w, int64_t ow, int64_t pixel_bytes,
                  const int32_t* rows, const int32_t* columns, int64_t begin,
                  int64_t end) noexcept {
  const auto size = static_cast<size_t>(kBytes ? kBytes : pixel_bytes);
  for (int64_t i = begin; i < end; ++i) {
    char* to = y + i * ow * static_cast<int64_t>(size);
    if (i > begin && rows[i] == rows[i - 1]) {
      std::memcpy(to, to - ow * static_cast<int64_t>(size), static_cast<size_t>(ow) * size);
      continue;
    }
    const char* from = x + rows[i] * w * static_cast<int64_t>(size);
    for (int64_t j = 0; j < ow; ++j, to += size)
      std::memcpy(to, from + static_cast<size_t>(columns[j]) * size, size);
  }
}

}  // namespace

void nearest(const void* x, void* y, int64_t w, int64_t ow, int64_t pixel_bytes,
             const int32_t* rows, const int32_t* columns, int64_t begin, int64_t end) noexcept {
  const auto* from = static_cast<const char*>(x);
  auto* to = static_cast<char*>(y);
  const auto run = [&](auto function) {
    function(from, to, w, ow, pixel_bytes, rows, columns, begin, end);
  };
  switch (pixel_bytes) {
    case 1:
      return run(nearest_rows<1>);
    case 2:
      return run(nearest_rows<2>);
    case 3:
      return run(nearest_rows<3>);
    case 4:
      return run(nearest_rows<4>);
    case 8:
      return run(nearest_rows<8>);
    case 12:
      return run(nearest_rows<12>);
    case 16:
      return run(nearest_rows<16>);
    default:
      return run(nearest_rows<0>);
  }
}

}  // namespace tersor::kernels::resize

#include "tensor/tensor.h"

#include <sys/mman.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

namespace tersor {

namespace {

std::byte* map_pages(size_t bytes) {
  constexpr size_t kHugePage = size_t{2} << 20;
  // With room to begin where a huge page can.
  const size_t page = 4096, used = base::align_up(bytes, page);
  const size_t mapped = used >= kHugePage ? used + kHugePage : used;
  void* p = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED)
    base::fail(ErrorKind::kLimit, "E61", "not enough memory for {} bytes", bytes);
  if (mapped > used) {
    auto* start = static_cast<std::byte*>(p);
    const size_t skipped = base::align_up(reinterpret_cast<uintptr_t>(start), kHugePage) -
                           reinterpret_cast<uintptr_t>(start);
    if (skipped > 0) ::munmap(start, skipped);
    if (skipped < kHugePage) ::munmap(start + skipped + used, kHugePage - skipped);
    p = start + skipped;
  }
  ::madvise(p, bytes, MADV_HUGEPAGE);  // fewer of them, where the system has larger ones
#ifdef MADV_POPULATE_WRITE
  ::madvise(p, bytes, MADV_POPULATE_WRITE);  // at once: one by one they cost twice the time
#endif
  return static_cast<std::byte*>(p);
}
void unmap_pages(std::byte* p, size_t bytes) {
  if (p) ::munmap(p, bytes);
}

}  // namespace

std::shared_ptr<Buffer> Buffer::allocate(size_t bytes) {
  // Large blocks have pages of their own, so that giving them back gives them to the system.
  constexpr size_t kLarge = size_t{1} << 20;
  if (bytes >= kLarge) return std::make_shared<Buffer>(map_pages(bytes), bytes, unmap_pages);
  const size_t rounded = base::align_up(bytes ? bytes : 1, 64);
  void* p = std::aligned_alloc(64, rounded);
  if (!p) base::fail(ErrorKind::kLimit, "E61", "not enough memory for {} bytes", bytes);
  return std::make_shared<Buffer>(static_cast<std::byte*>(p), bytes,
                                  [](std::byte* q, size_t) { std::free(q); });
}

std::shared_ptr<Buffer> Buffer::deferred(size_t bytes, Fetch fetch) {
  auto buffer = std::make_shared<Buffer>(nullptr, bytes, unmap_pages);
  if (bytes > 0) buffer->fetch_ = std::move(fetch);
  return buffer;
}

Buffer::~Buffer() {
  if (release_) release_(data_.load(), size_);
}

std::byte* Buffer::load() const {
  const std::lock_guard lock(mutex_);
  if (std::byte* p = data_.load()) return p;
  std::byte* bytes = map_pages(size_);
  try {
    fetch_(bytes);
  } catch (...) {
    unmap_pages(bytes, size_);
    throw;
  }
  data_.store(bytes, std::memory_order_release);
  return bytes;
}

std::shared_ptr<const Buffer> Buffer::fetching_anew() const {
  return fetch_ ? deferred(size_, fetch_) : nullptr;
}

void Buffer::unload() const noexcept {
  if (!fetch_) return;
  const std::lock_guard lock(mutex_);
  unmap_pages(data_.exchange(nullptr), size_);
}

Tensor::Tensor(DType dtype, Dims dims, std::shared_ptr<const Buffer> buffer, size_t offset)
    : dtype_(dtype), dims_(std::move(dims)), buffer_(std::move(buffer)), offset_(offset) {
  count_ = base::element_count(dims_);
  bytes_ = tensor::byte_size(dtype_, count_);
  if (!buffer_ || !base::in_range(offset_, bytes_, buffer_->size()))
    base::fail_input("E13", "a tensor of shape {} needs {} bytes, {} are there",
                     tensor::to_string(dims_), bytes_, buffer_ ? buffer_->size() : 0);
}

Tensor Tensor::empty(DType dtype, Dims dims) {
  if (dtype == DType::kString) {
    const auto n = static_cast<size_t>(base::element_count(dims));
    return of_strings(std::move(dims), std::vector<std::string>(n));
  }
  const size_t bytes = tensor::byte_size(dtype, base::element_count(dims));
  return Tensor(dtype, std::move(dims), Buffer::allocate(bytes));
}

Tensor Tensor::zeros(DType dtype, Dims dims) {
  Tensor t = empty(dtype, std::move(dims));
  if (t.bytes()) std::memset(t.raw_mutable(), 0, t.bytes());
  return t;
}

Tensor Tensor::of_strings(Dims dims, std::vector<std::string> values) {
  Tensor t;
  t.dtype_ = DType::kString;
  t.dims_ = std::move(dims);
  t.count_ = base::element_count(t.dims_);
  if (static_cast<size_t>(t.count_) != values.size())
    base::fail_input("E13", "a string tensor of shape {} holds {} strings",
                     tensor::to_string(t.dims_), values.size());
  t.strings_ = std::make_shared<const std::vector<std::string>>(std::move(values));
  return t;
}

const std::vector<std::string>& Tensor::strings() const {
  require(DType::kString);
  return *strings_;
}

Tensor Tensor::reshaped(Dims dims) const {
  if (base::element_count(dims) != count_)
    base::fail_input("E14", "{} elements of shape {} cannot take shape {}", count_,
                     tensor::to_string(dims_), tensor::to_string(dims));
  Tensor t = *this;
  t.dims_ = std::move(dims);
  return t;
}

Tensor Tensor::reinterpreted(DType dtype) const {
  Tensor t = *this;
  if (tensor::bits(dtype) != tensor::bits(dtype_)) require(dtype);
  t.dtype_ = dtype;
  return t;
}

void Tensor::require(DType wanted) const {
  if (dtype_ != wanted)
    base::fail_unsupported("a {} tensor is needed here, this one is {}", tensor::name(wanted),
                           tensor::name(dtype_));
}

namespace tensor {
namespace {

uint8_t packed(const Tensor& t, int64_t i, int width) {
  const auto* p = reinterpret_cast<const uint8_t*>(t.raw());
  const int64_t per = 8 / width;
  return static_cast<uint8_t>((p[i / per] >> ((i % per) * width)) & ((1 << width) - 1));
}

template <typename T>
T load(const Tensor& t, int64_t i) {
  T v;
  std::memcpy(&v, t.raw() + static_cast<size_t>(i) * sizeof(T), sizeof(T));
  return v;
}

template <typename T>
void put(Tensor& t, int64_t i, T v) {
  std::memcpy(t.raw_mutable() + static_cast<size_t>(i) * sizeof(T), &v, sizeof(T));
}

int64_t clamp_to_int(double v, DType to) {
  if (std::isnan(v)) return 0;
  if (to == DType::kInt64) {
    if (v >= 9223372036854775807.0) return INT64_MAX;
    if (v <= -9223372036854775808.0) return INT64_MIN;
    return static_cast<int64_t>(v);
  }
  const auto lo = static_cast<double>(lowest(to)), hi = static_cast<double>(highest(to));
  return static_cast<int64_t>(v < lo ? lo : v > hi ? hi : v);
}

void put_integer(Tensor& t, int64_t i, int64_t v) {
  switch (t.dtype()) {
    case DType::kInt8:
    case DType::kUint8:
      return put(t, i, static_cast<uint8_t>(v));
    case DType::kInt16:
    case DType::kUint16:
      return put(t, i, static_cast<uint16_t>(v));
    case DType::kInt32:
    case DType::kUint32:
      return put(t, i, static_cast<uint32_t>(v));
    case DType::kInt64:
    case DType::kUint64:
      return put(t, i, v);
    default: {  // 4 and 2 bits; the bytes were zeroed before
      const int width = bits(t.dtype());
      const int64_t per = 8 / width;
      auto* p = reinterpret_cast<uint8_t*>(t.raw_mutable()) + i / per;
      const auto mask = static_cast<uint8_t>((1 << width) - 1);
      *p = static_cast<uint8_t>(*p | ((v & mask) << ((i % per) * width)));
    }
  }
}

void put_float(Tensor& t, int64_t i, double v, bool saturate) {
  switch (t.dtype()) {
    case DType::kFloat64:
      return put(t, i, v);
    case DType::kFloat32:
      return put(t, i, static_cast<float>(v));
    case DType::kFloat16:
      return put(t, i, to_half(static_cast<float>(v)));
    case DType::kBfloat16:
      return put(t, i, to_bfloat16(static_cast<float>(v)));
    case DType::kFloat4E2M1: {
      auto* p = reinterpret_cast<uint8_t*>(t.raw_mutable()) + i / 2;
      const uint8_t code = float_to_small(t.dtype(), static_cast<float>(v), true);
      *p = static_cast<uint8_t>(*p | (code << ((i % 2) * 4)));
      return;
    }
    default:
      return put(t, i, float_to_small(t.dtype(), static_cast<float>(v), saturate));
  }
}

}  // namespace

size_t byte_size(DType type, int64_t count) {
  const int width = bits(type);
  if (width == 0 && count != 0)
    base::fail_unsupported("elements of type {} have no size", name(type));
  const auto total = base::checked_mul<uint64_t>(static_cast<uint64_t>(count),
                                                 static_cast<uint64_t>(width), "a tensor's size");
  return static_cast<size_t>(total / 8 + (total % 8 != 0));
}

double as_double(const Tensor& t, int64_t i) {
  switch (t.dtype()) {
    case DType::kFloat32:
      return static_cast<double>(load<float>(t, i));
    case DType::kFloat64:
      return load<double>(t, i);
    case DType::kFloat16:
      return static_cast<double>(to_float(load<Half>(t, i)));
    case DType::kBfloat16:
      return static_cast<double>(to_float(load<Bfloat16>(t, i)));
    case DType::kFloat8E4M3FN:
    case DType::kFloat8E4M3FNUZ:
    case DType::kFloat8E5M2:
    case DType::kFloat8E5M2FNUZ:
    case DType::kFloat8E8M0:
      return static_cast<double>(small_to_float(t.dtype(), load<uint8_t>(t, i)));
    case DType::kFloat4E2M1:
      return static_cast<double>(small_to_float(t.dtype(), packed(t, i, 4)));
    case DType::kUint64:
      return static_cast<double>(load<uint64_t>(t, i));
    default:
      return static_cast<double>(as_int64(t, i));
  }
}

int64_t as_int64(const Tensor& t, int64_t i) {
  switch (t.dtype()) {
    case DType::kInt8:
      return load<int8_t>(t, i);
    case DType::kUint8:
      return load<uint8_t>(t, i);
    case DType::kBool:
      return load<uint8_t>(t, i) != 0;
    case DType::kInt16:
      return load<int16_t>(t, i);
    case DType::kUint16:
      return load<uint16_t>(t, i);
    case DType::kInt32:
      return load<int32_t>(t, i);
    case DType::kUint32:
      return load<uint32_t>(t, i);
    case DType::kInt64:
    case DType::kUint64:
      return load<int64_t>(t, i);
    case DType::kUint4:
      return packed(t, i, 4);
    case DType::kInt4:
      return (packed(t, i, 4) ^ 8) - 8;
    case DType::kUint2:
      return packed(t, i, 2);
    case DType::kInt2:
      return (packed(t, i, 2) ^ 2) - 2;
    default:
      if (!is_float(t.dtype()))
        base::fail_unsupported("elements of type {} are not numbers", name(t.dtype()));
      return clamp_to_int(as_double(t, i), DType::kInt64);
  }
}

std::vector<int64_t> to_int64s(const Tensor& t) {
  std::vector<int64_t> v(static_cast<size_t>(t.count()));
  for (size_t i = 0; i < v.size(); ++i) v[i] = as_int64(t, static_cast<int64_t>(i));
  return v;
}

Tensor to_float32(const Tensor& t) { return cast(t, DType::kFloat32); }

Tensor cast(const Tensor& t, DType to, bool saturate) {
  if (t.dtype() == to) return t;
  if (bits(to) == 0 || bits(t.dtype()) == 0 || bits(to) > 64 || bits(t.dtype()) > 64)
    base::fail_unsupported("casting {} to {} is not supported", name(t.dtype()), name(to));
  Tensor out = Tensor::zeros(to, t.dims());
  const bool from_float = is_float(t.dtype());
  for (int64_t i = 0; i < t.count(); ++i) {
    if (to == DType::kBool) {
      put(out, i, static_cast<uint8_t>(as_double(t, i) != 0));
    } else if (is_float(to)) {
      put_float(out, i, as_double(t, i), saturate);
    } else if (from_float) {
      put_integer(out, i, clamp_to_int(as_double(t, i), to));
    } else {
      put_integer(out, i, as_int64(t, i));
    }
  }
  return out;
}

std::string to_string(std::span<const int64_t> dims) {
  std::string s = "[";
  for (size_t i = 0; i < dims.size(); ++i) s += (i ? ", " : "") + std::to_string(dims[i]);
  return s + "]";
}

bool same(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.dims() != b.dims()) return false;
  if (a.dtype() == DType::kString) return a.strings() == b.strings();
  return a.bytes() == 0 || std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

}  // namespace tensor
}  // namespace tersor

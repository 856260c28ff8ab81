// Tensors: an element type, dimensions, and shared, immutable-by-default bytes.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tersor/dtype.h"
#include "tersor/error.h"
#include "tersor/float_types.h"

namespace tersor {

using Dims = std::vector<int64_t>;

// A block of bytes, 64-byte aligned when it comes from allocate(). Whoever holds the only handle of
// a fresh block may write it; once it is shared it is constant.
class Buffer {
 public:
  using Release = std::function<void(std::byte*, size_t)>;
  // Uninitialised heap memory. Throws a kLimit Error if there is not that much.
  static std::shared_ptr<Buffer> allocate(size_t bytes);
  // Memory of somebody else; `release` runs when the last handle goes.
  Buffer(std::byte* data, size_t size, Release release)
      : data_(data), size_(size), release_(std::move(release)) {}
  // Bytes that are fetched when somebody first asks for them, which may then throw an Error.
  using Fetch = std::function<void(std::byte*)>;
  static std::shared_ptr<Buffer> deferred(size_t bytes, Fetch fetch);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  std::byte* data() { return const_cast<std::byte*>(std::as_const(*this).data()); }
  const std::byte* data() const {
    std::byte* p = data_.load(std::memory_order_acquire);
    return p || !fetch_ ? p : load();
  }
  size_t size() const noexcept { return size_; }

  // Of deferred bytes: a buffer of its own that fetches the same; nullptr for others.
  std::shared_ptr<const Buffer> fetching_anew() const;
  // Deferred bytes give their memory back until they are asked for again. For the one who knows
  // that nobody looks at them.
  void unload() const noexcept;

 private:
  std::byte* load() const;

  mutable std::atomic<std::byte*> data_;
  size_t size_;
  Release release_;
  Fetch fetch_;
  mutable std::mutex mutex_;
};

namespace tensor {

template <typename T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) return DType::kFloat32;
  if constexpr (std::is_same_v<T, double>) return DType::kFloat64;
  if constexpr (std::is_same_v<T, int8_t>) return DType::kInt8;
  if constexpr (std::is_same_v<T, uint8_t>) return DType::kUint8;
  if constexpr (std::is_same_v<T, int16_t>) return DType::kInt16;
  if constexpr (std::is_same_v<T, uint16_t>) return DType::kUint16;
  if constexpr (std::is_same_v<T, int32_t>) return DType::kInt32;
  if constexpr (std::is_same_v<T, uint32_t>) return DType::kUint32;
  if constexpr (std::is_same_v<T, int64_t>) return DType::kInt64;
  if constexpr (std::is_same_v<T, uint64_t>) return DType::kUint64;
  if constexpr (std::is_same_v<T, bool>) return DType::kBool;
  if constexpr (std::is_same_v<T, Half>) return DType::kFloat16;
  if constexpr (std::is_same_v<T, Bfloat16>) return DType::kBfloat16;
  return DType::kUndefined;
}

// Bytes that `count` packed elements take; checked.
size_t byte_size(DType type, int64_t count);

}  // namespace tensor

class Tensor {
 public:
  Tensor() = default;  // undefined: dtype() == kUndefined
  // `buffer` must hold byte_size(dtype, dims) bytes from `offset`; an Error otherwise.
  Tensor(DType dtype, Dims dims, std::shared_ptr<const Buffer> buffer, size_t offset = 0);
  static Tensor empty(DType dtype, Dims dims);  // fresh, uninitialised (strings: empty strings)
  static Tensor zeros(DType dtype, Dims dims);
  template <typename T>
  static Tensor of(Dims dims, std::span<const T> values);
  template <typename T>
  static Tensor of(Dims dims, std::initializer_list<T> values) {
    return of<T>(std::move(dims), std::span<const T>(values.begin(), values.size()));
  }
  template <typename T>
  static Tensor scalar(T value) {
    return of<T>({}, {value});
  }
  static Tensor vector(std::span<const int64_t> values) {
    return of<int64_t>({static_cast<int64_t>(values.size())}, values);
  }
  static Tensor of_strings(Dims dims, std::vector<std::string> values);

  DType dtype() const noexcept { return dtype_; }
  const Dims& dims() const noexcept { return dims_; }
  int64_t dim(size_t i) const { return dims_.at(i); }
  int rank() const noexcept { return static_cast<int>(dims_.size()); }
  int64_t count() const noexcept { return count_; }
  size_t bytes() const noexcept { return bytes_; }
  bool defined() const noexcept { return dtype_ != DType::kUndefined; }

  const std::byte* raw() const { return buffer_ ? buffer_->data() + offset_ : nullptr; }
  // Only for the one who just made the tensor, before it is shared.
  std::byte* raw_mutable() { return const_cast<std::byte*>(raw()); }
  // The elements; an internal Error if T does not match dtype().
  template <typename T>
  std::span<const T> data() const {
    require(tensor::dtype_of<T>());
    return {reinterpret_cast<const T*>(raw()), static_cast<size_t>(count_)};
  }
  template <typename T>
  std::span<T> mutable_data() {
    require(tensor::dtype_of<T>());
    return {reinterpret_cast<T*>(raw_mutable()), static_cast<size_t>(count_)};
  }
  const std::vector<std::string>& strings() const;
  const std::shared_ptr<const Buffer>& buffer() const noexcept { return buffer_; }
  size_t offset() const noexcept { return offset_; }

  // Same bytes, other dimensions of the same element count.
  Tensor reshaped(Dims dims) const;
  // Same bytes read as another type of the same width.
  Tensor reinterpreted(DType dtype) const;

 private:
  void require(DType wanted) const;

  DType dtype_ = DType::kUndefined;
  Dims dims_;
  int64_t count_ = 0;
  size_t bytes_ = 0;
  std::shared_ptr<const Buffer> buffer_;
  size_t offset_ = 0;
  std::shared_ptr<const std::vector<std::string>> strings_;
};

template <typename T>
Tensor Tensor::of(Dims dims, std::span<const T> values) {
  Tensor t = empty(tensor::dtype_of<T>(), std::move(dims));
  if (static_cast<int64_t>(values.size()) != t.count())
    throw Error(ErrorKind::kInternal, "E70", "values do not fill the tensor");
  std::copy(values.begin(), values.end(), t.template mutable_data<T>().begin());
  return t;
}

namespace tensor {

// Element i of any numeric tensor as double (exact up to 2^53) or int64 (floats are truncated).
double as_double(const Tensor& t, int64_t i);
int64_t as_int64(const Tensor& t, int64_t i);
// All elements of an integer tensor. Used for shapes, axes, repeats.
std::vector<int64_t> to_int64s(const Tensor& t);
// Any numeric tensor as float32 (itself if it is one already).
Tensor to_float32(const Tensor& t);
// The ONNX Cast: between numeric types and bool; floats to integers truncate toward zero,
// out-of-range values are clamped; `saturate` concerns 8-bit floats.
Tensor cast(const Tensor& t, DType to, bool saturate = true);
// "[2, 3]"
std::string to_string(std::span<const int64_t> dims);
// Equal type, dimensions and bytes.
bool same(const Tensor& a, const Tensor& b);

}  // namespace tensor

// How an integer tensor stands for real numbers: real = (q - zero_point) * scale, per tensor
// (one scale) or per slice along `axis`.
struct QuantParams {
  std::vector<float> scales;
  std::vector<int32_t> zero_points;
  int axis = -1;
  bool per_tensor() const noexcept { return scales.size() == 1; }
  float scale() const { return scales.at(0); }
  int32_t zero_point() const { return zero_points.at(0); }
  bool operator==(const QuantParams&) const = default;
};

}  // namespace tersor

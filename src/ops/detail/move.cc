#include "ops/detail/move.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/checked.h"
#include "base/error.h"
#include "ops/detail/walk.h"

namespace tersor::ops::detail {
namespace {

bool packed(DType t) { return tensor::bits(t) == 4 || tensor::bits(t) == 2; }

size_t width_of(DType t) {
  if (t == DType::kString) return 0;
  if (packed(t)) return 1;
  if (tensor::bits(t) < 8)
    base::fail_unsupported("element type {} cannot be moved", tensor::name(t));
  return static_cast<size_t>(tensor::bits(t)) / 8;
}

Tensor unpack(const Tensor& t) {
  Tensor out = Tensor::empty(DType::kUint8, t.dims());
  const auto* p = reinterpret_cast<const uint8_t*>(t.raw());
  const auto q = out.mutable_data<uint8_t>();
  const int width = tensor::bits(t.dtype());
  const size_t per = static_cast<size_t>(8 / width);
  for (size_t i = 0; i < q.size(); ++i)
    q[i] = static_cast<uint8_t>((p[i / per] >> (static_cast<int>(i % per) * width)) &
                                ((1 << width) - 1));
  return out;
}

void pack(const Tensor& codes, Tensor& t) {
  const auto q = codes.data<uint8_t>();
  auto* p = reinterpret_cast<uint8_t*>(t.raw_mutable());
  if (t.bytes()) std::memset(p, 0, t.bytes());
  const int width = tensor::bits(t.dtype());
  const size_t per = static_cast<size_t>(8 / width);
  for (size_t i = 0; i < q.size(); ++i)
    p[i / per] = static_cast<uint8_t>(p[i / per] | q[i] << (static_cast<int>(i % per) * width));
}

// The last axis strides through the source while axis p runs along it: tiles of both stay in the
// first cache, so that every line of it is used whole.
template <typename T>
void copy_tiles(std::span<const int64_t> dims, std::byte* to, std::span<const int64_t> to_strides,
                const std::byte* from, std::span<const int64_t> from_strides, size_t p) {
  constexpr int64_t kTile = 32;
  T* dst = reinterpret_cast<T*>(to);
  const T* src = reinterpret_cast<const T*>(from);
  const size_t last = dims.size() - 1;
  const int64_t rows = dims[p], columns = dims[last];
  const int64_t dp = to_strides[p], sl = from_strides[last];
  Dims outer;
  std::array<Dims, 2> strides;
  for (size_t i = 0; i < last; ++i) {
    if (i == p) continue;
    outer.push_back(dims[i]);
    strides[0].push_back(to_strides[i]);
    strides[1].push_back(from_strides[i]);
  }
  walk<2>(outer, strides, [&](const std::array<int64_t, 2>& o) {
    for (int64_t r = 0; r < rows; r += kTile)
      for (int64_t c = 0; c < columns; c += kTile) {
        const int64_t r_end = std::min(r + kTile, rows), c_end = std::min(c + kTile, columns);
        for (int64_t i = r; i < r_end; ++i) {
          T* d = dst + o[0] + i * dp;
          const T* s = src + o[1] + i;
          for (int64_t j = c; j < c_end; ++j) d[j] = s[j * sl];
        }
      }
  });
}

template <typename T>
void copy_lines(std::span<const int64_t> dims, std::byte* to, std::span<const int64_t> to_strides,
                const std::byte* from, std::span<const int64_t> from_strides) {
  T* dst = reinterpret_cast<T*>(to);
  const T* src = reinterpret_cast<const T*>(from);
  const size_t last = dims.size() - 1;
  const int64_t n = dims[last], ds = to_strides[last], ss = from_strides[last];
  if (ds == 1 && ss != 1 && ss != 0 && n >= 4)
    for (size_t p = 0; p < last; ++p)
      if (from_strides[p] == 1 && dims[p] >= 4)
        return copy_tiles<T>(dims, to, to_strides, from, from_strides, p);
  const std::array<Dims, 2> strides{Dims(to_strides.begin(), to_strides.end() - 1),
                                    Dims(from_strides.begin(), from_strides.end() - 1)};
  walk<2>(dims.first(last), strides, [&](const std::array<int64_t, 2>& o) {
    T* d = dst + o[0];
    const T* s = src + o[1];
    if (ds == 1 && ss == 1) {
      std::memcpy(d, s, static_cast<size_t>(n) * sizeof(T));
    } else if (ds == 1 && ss == 0) {
      std::fill_n(d, n, *s);
    } else {
      for (int64_t i = 0; i < n; ++i) d[i * ds] = s[i * ss];
    }
  });
}

struct Wide {
  uint64_t a, b;
};

}  // namespace

void copy_strided(size_t width, std::span<const int64_t> dims, std::byte* to,
                  std::span<const int64_t> to_strides, const std::byte* from,
                  std::span<const int64_t> from_strides) {
  Dims d, ts, fs;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 0) return;
    if (dims[i] == 1) continue;
    if (!d.empty() && ts.back() == to_strides[i] * dims[i] &&
        fs.back() == from_strides[i] * dims[i]) {
      d.back() *= dims[i];
      ts.back() = to_strides[i];
      fs.back() = from_strides[i];
      continue;
    }
    d.push_back(dims[i]);
    ts.push_back(to_strides[i]);
    fs.push_back(from_strides[i]);
  }
  if (d.empty()) {
    d = {1};
    ts = fs = {1};
  }
  switch (width) {
    case 1:
      return copy_lines<uint8_t>(d, to, ts, from, fs);
    case 2:
      return copy_lines<uint16_t>(d, to, ts, from, fs);
    case 4:
      return copy_lines<uint32_t>(d, to, ts, from, fs);
    case 8:
      return copy_lines<uint64_t>(d, to, ts, from, fs);
    default:
      return copy_lines<Wide>(d, to, ts, from, fs);
  }
}

Source::Source(const Tensor& t)
    : width(width_of(t.dtype())), count(t.count()), held_(packed(t.dtype()) ? unpack(t) : t) {
  if (t.dtype() == DType::kString)
    strings = t.strings().data();
  else
    bytes = held_.raw();
}

Sink::Sink(ComputeContext& c, size_t index, DType dtype, Dims dims)
    : c_(c),
      index_(index),
      dtype_(dtype),
      dims_(std::move(dims)),
      count_(base::element_count(dims_)),
      width_(width_of(dtype)) {
  if (dtype_ == DType::kString) {
    strings_.resize(static_cast<size_t>(count_));
  } else if (packed(dtype_)) {
    unpacked_ = Tensor::empty(DType::kUint8, dims_);
    bytes_ = unpacked_.raw_mutable();
  } else {
    bytes_ = c_.out(index_, dtype_, dims_).raw_mutable();
  }
}

void Sink::finish() {
  if (done_) return;
  done_ = true;
  if (dtype_ == DType::kString) {
    if (index_ < c_.outputs.size())
      c_.outputs[index_] = Tensor::of_strings(std::move(dims_), std::move(strings_));
  } else if (packed(dtype_)) {
    pack(unpacked_, c_.out(index_, dtype_, dims_));
  }
}

void Sink::copy(int64_t to, const Source& from, int64_t at, int64_t n) {
  if (dtype_ == DType::kString) {
    std::copy_n(from.strings + at, n, strings_.begin() + to);
  } else if (n > 0) {
    std::memcpy(bytes_ + static_cast<size_t>(to) * width_,
                from.bytes + static_cast<size_t>(at) * width_, static_cast<size_t>(n) * width_);
  }
}

void Sink::fill(int64_t to, int64_t n, const Source& from, int64_t at) {
  if (dtype_ == DType::kString) {
    std::fill_n(strings_.begin() + to, n, from.strings[at]);
    return;
  }
  if (n > 0) copy(to, from, at);
  // What is there already doubles.
  std::byte* start = bytes_ + static_cast<size_t>(to) * width_;
  for (int64_t there = 1; there < n; there *= 2)
    std::memcpy(start + static_cast<size_t>(there) * width_, start,
                static_cast<size_t>(std::min(there, n - there)) * width_);
}

void Sink::clear() {
  if (dtype_ != DType::kString && count_ > 0)
    std::memset(bytes_, 0, static_cast<size_t>(count_) * width_);
}

void Sink::strided(std::span<const int64_t> dims, int64_t to, std::span<const int64_t> to_strides,
                   const Source& from, int64_t at, std::span<const int64_t> at_strides) {
  if (dtype_ != DType::kString) {
    if (base::element_count(dims) == 0) return;
    copy_strided(width_, dims, bytes_ + static_cast<size_t>(to) * width_, to_strides,
                 from.bytes + static_cast<size_t>(at) * width_, at_strides);
    return;
  }
  const std::array<Dims, 2> strides{Dims(to_strides.begin(), to_strides.end()),
                                    Dims(at_strides.begin(), at_strides.end())};
  walk<2>(dims, strides, [&](const std::array<int64_t, 2>& o) {
    strings_[static_cast<size_t>(to + o[0])] = from.strings[at + o[1]];
  });
}

void Sink::strided(const Source& from, int64_t at, std::span<const int64_t> at_strides) {
  strided(dims_, 0, strides_of(dims_), from, at, at_strides);
}

}  // namespace tersor::ops::detail

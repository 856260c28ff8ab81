#include <zlib.h>

#include <algorithm>

#include "base/checked.h"
#include "base/error.h"
#include "base/file.h"
#include "calib/arrays.h"

namespace tersor::calib {
namespace {

std::string_view descr(DType type) {
  switch (type) {
    case DType::kFloat32:
      return "<f4";
    case DType::kFloat64:
      return "<f8";
    case DType::kFloat16:
      return "<f2";
    case DType::kInt8:
      return "|i1";
    case DType::kUint8:
      return "|u1";
    case DType::kInt16:
      return "<i2";
    case DType::kUint16:
      return "<u2";
    case DType::kInt32:
      return "<i4";
    case DType::kUint32:
      return "<u4";
    case DType::kInt64:
      return "<i8";
    case DType::kUint64:
      return "<u8";
    case DType::kBool:
      return "|b1";
    case DType::kComplex64:
      return "<c8";
    case DType::kComplex128:
      return "<c16";
    default:
      return {};
  }
}

// As a type that NumPy has.
Tensor widened(const Tensor& t) {
  if (!descr(t.dtype()).empty()) return t;
  if (t.dtype() == DType::kString)
    base::fail_unsupported("a string tensor cannot be written as .npy");
  if (tensor::is_integer(t.dtype()))
    return tensor::cast(t, tensor::is_signed(t.dtype()) ? DType::kInt8 : DType::kUint8);
  return tensor::to_float32(t);
}

void put(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

}  // namespace

std::string npy_bytes(const Tensor& tensor) {
  const Tensor t = widened(tensor);
  std::string shape;
  for (int64_t d : t.dims()) shape += fmt::format("{}, ", d);
  if (t.rank() > 1) shape.resize(shape.size() - 2);
  if (t.rank() == 1) shape.pop_back();
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}",
                                   descr(t.dtype()), shape);
  constexpr size_t kStart = 10, kAlign = 64;
  header.append(base::align_up(kStart + header.size() + 1, kAlign) - kStart - header.size() - 1,
                ' ');
  header.push_back('\n');
  std::string out("\x93NUMPY\x01\x00", 8);
  put(out, header.size(), 2);
  out += header;
  if (t.bytes() > 0) out.append(reinterpret_cast<const char*>(t.raw()), t.bytes());
  return out;
}

std::string npz_bytes(const NamedTensors& tensors) {
  constexpr uint64_t kMax = 0xfffffffe, kDate = 1 << 5 | 1;  // 1 January 1980
  if (tensors.size() > 65534)
    base::fail(ErrorKind::kLimit, "E60", "an .npz archive holds at most 65534 arrays");
  std::string out, directory;
  for (const auto& [name, tensor] : tensors) {
    const std::string file = name + ".npy";
    const std::string bytes = npy_bytes(tensor);
    if (file.size() > 65535 || bytes.size() > kMax || out.size() > kMax - bytes.size())
      base::fail(ErrorKind::kLimit, "E60", "an .npz archive holds at most 4 GiB");
    uint32_t crc = 0;
    for (size_t at = 0; at < bytes.size();) {
      const size_t n = std::min(bytes.size() - at, size_t{1} << 30);
      crc = static_cast<uint32_t>(
          ::crc32(crc, reinterpret_cast<const Bytef*>(bytes.data() + at), static_cast<uInt>(n)));
      at += n;
    }
    std::string common;  // what both headers share, from "version needed" on
    put(common, 20, 2);
    put(common, 1 << 11, 2);  // the name is UTF-8
    put(common, 0, 2);        // stored
    put(common, 0, 2);
    put(common, kDate, 2);
    put(common, crc, 4);
    put(common, bytes.size(), 4);
    put(common, bytes.size(), 4);
    put(common, file.size(), 2);
    put(common, 0, 2);
    put(directory, 0x02014b50, 4);
    put(directory, 20 | 3 << 8, 2);
    directory += common;
    put(directory, 0, 6);
    put(directory, uint64_t{0100644} << 16, 4);
    put(directory, out.size(), 4);
    directory += file;
    put(out, 0x04034b50, 4);
    out += common + file + bytes;
  }
  const size_t at = out.size();
  if (at > kMax || directory.size() > kMax)
    base::fail(ErrorKind::kLimit, "E60", "an .npz archive holds at most 4 GiB");
  out += directory;
  put(out, 0x06054b50, 4);
  put(out, 0, 4);
  put(out, tensors.size(), 2);
  put(out, tensors.size(), 2);
  put(out, directory.size(), 4);
  put(out, at, 4);
  put(out, 0, 2);
  return out;
}

void write_npy(const std::filesystem::path& path, const Tensor& tensor, bool force) {
  base::write_file(path, npy_bytes(tensor), force);
}

void write_npz(const std::filesystem::path& path, const NamedTensors& tensors, bool force) {
  base::write_file(path, npz_bytes(tensors), force);
}

}  // namespace tersor::calib

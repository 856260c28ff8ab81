#include "onnx/tensor_proto.h"

#include <charconv>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/limits.h"

namespace tersor::onnx {
namespace {

enum Encoding { kRaw = 1, kFloats, kInt32s, kInt64s, kDoubles, kUint64s, kNothing };

uint64_t number(const std::string& text, const std::string& key) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    base::fail_input("E28", "external data {} {} is not a number", key, base::quoted(text));
  return value;
}

std::string external_bytes(const pb::TensorProto& proto, const std::filesystem::path& folder,
                           size_t wanted) {
  std::string location;
  uint64_t offset = 0, length = 0;
  bool to_end = true;
  for (const auto& entry : proto.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (entry.key() == "offset") offset = number(entry.value(), "offset");
    if (entry.key() == "length") {
      length = number(entry.value(), "length");
      to_end = false;
    }
  }
  if (!to_end && length != wanted)
    base::fail_input("E13", "tensor {} needs {} bytes, its external data have {}",
                     base::quoted(proto.name()), wanted, length);
  return base::read_inside(folder, location, offset, wanted, false);
}

[[noreturn]] void wrong_count(const pb::TensorProto& proto, int64_t wanted, int64_t found) {
  base::fail_input("E13", "tensor {} needs {} values, {} are there", base::quoted(proto.name()),
                   wanted, found);
}

// Typed fields hold one element per entry; narrow types sit in the low bits of int32 entries, 4- and 2-bit
// types one packed byte per entry.
template <typename Entry, typename Field>
void copy_field(const pb::TensorProto& proto, const Field& field, Tensor& out) {
  const int width = tensor::bits(out.dtype());
  const auto per_entry = static_cast<size_t>(width < 8 ? 8 : width) / 8;
  const bool pairs = width > static_cast<int>(sizeof(Entry)) * 8;  // complex numbers
  const int64_t entries = width < 8 ? static_cast<int64_t>(out.bytes()) : out.count() * (pairs ? 2 : 1);
  if (field.size() != entries) wrong_count(proto, entries, field.size());
  const size_t step = std::min(per_entry, sizeof(Entry));
  std::byte* to = out.raw_mutable();
  for (const Entry entry : field) {
    std::memcpy(to, &entry, step);
    to += step;
  }
}

}  // namespace

Tensor take_tensor(pb::TensorProto& proto, const std::filesystem::path& folder) {
  if (proto.dims_size() > limits::kRank)
    base::fail(ErrorKind::kLimit, "E60", "tensor {} has more than {} dimensions",
               base::quoted(proto.name()), limits::kRank);
  const Dims dims(proto.dims().begin(), proto.dims().end());
  const auto dtype = static_cast<DType>(proto.data_type());
  Tensor out;
  base::with_frame(
      [&] {
        if (dtype == DType::kString) {
          out = Tensor::of_strings(dims, {proto.string_data().begin(), proto.string_data().end()});
          proto.clear_string_data();
          return;
        }
        const int64_t count = base::element_count(dims);
        const size_t bytes = tensor::byte_size(dtype, count);
        const bool external = proto.data_location() == 1;
        if (external || proto.has_raw_data()) {
          std::string raw = external ? external_bytes(proto, folder, bytes)
                                     : std::move(*proto.mutable_raw_data());
          if (raw.size() != bytes)
            base::fail_input("E13", "tensor {} needs {} bytes, {} are there",
                             base::quoted(proto.name()), bytes, raw.size());
          // The string's own memory serves as the buffer: no second copy of the weights.
          auto holder = std::make_shared<std::string>(std::move(raw));
          auto* data = reinterpret_cast<std::byte*>(holder->data());
          if (reinterpret_cast<uintptr_t>(data) % 8 == 0) {
            auto buffer = std::make_shared<Buffer>(data, bytes, [holder](std::byte*, size_t) {});
            out = Tensor(dtype, dims, std::move(buffer));
          } else {
            out = Tensor::empty(dtype, dims);
            if (bytes) std::memcpy(out.raw_mutable(), data, bytes);
          }
          proto.set_tersor_encoding(kRaw);
          proto.clear_external_data();
          proto.clear_data_location();
        } else {
          // A short typed field is refused before memory of the declared size is taken.
          const int64_t entries = std::max({proto.float_data_size(), proto.int32_data_size(),
                                            proto.int64_data_size(), proto.double_data_size(),
                                            proto.uint64_data_size()});
          if (count / 8 > entries) wrong_count(proto, count, entries);
          out = Tensor::empty(dtype, dims);
          if (proto.float_data_size()) {
            if (dtype != DType::kFloat32 && dtype != DType::kComplex64)
              wrong_count(proto, count, 0);
            copy_field<float>(proto, proto.float_data(), out);
            proto.set_tersor_encoding(kFloats);
          } else if (proto.int32_data_size()) {
            if (tensor::bits(dtype) > 32) wrong_count(proto, count, 0);
            copy_field<int32_t>(proto, proto.int32_data(), out);
            proto.set_tersor_encoding(kInt32s);
          } else if (proto.int64_data_size()) {
            if (dtype != DType::kInt64) wrong_count(proto, count, 0);
            copy_field<int64_t>(proto, proto.int64_data(), out);
            proto.set_tersor_encoding(kInt64s);
          } else if (proto.double_data_size()) {
            if (dtype != DType::kFloat64 && dtype != DType::kComplex128)
              wrong_count(proto, count, 0);
            copy_field<double>(proto, proto.double_data(), out);
            proto.set_tersor_encoding(kDoubles);
          } else if (proto.uint64_data_size()) {
            if (dtype != DType::kUint64 && dtype != DType::kUint32) wrong_count(proto, count, 0);
            if (dtype == DType::kUint32) {
              if (proto.uint64_data_size() != count)
                wrong_count(proto, count, proto.uint64_data_size());
              auto to = out.mutable_data<uint32_t>();
              for (int i = 0; i < proto.uint64_data_size(); ++i)
                to[static_cast<size_t>(i)] = static_cast<uint32_t>(proto.uint64_data(i));
            } else {
              copy_field<uint64_t>(proto, proto.uint64_data(), out);
            }
            proto.set_tersor_encoding(kUint64s);
          } else {
            if (count != 0) wrong_count(proto, count, 0);
            proto.set_tersor_encoding(kNothing);
          }
        }
        proto.clear_raw_data();
        proto.clear_float_data();
        proto.clear_int32_data();
        proto.clear_int64_data();
        proto.clear_double_data();
        proto.clear_uint64_data();
      },
      [&] { return "tensor " + base::quoted(proto.name()); });
  proto.clear_dims();
  proto.clear_data_type();
  return out;
}

void put_tensor(const Tensor& t, pb::TensorProto& proto) {
  proto.clear_dims();
  for (int64_t d : t.dims()) proto.add_dims(d);
  proto.set_data_type(static_cast<int32_t>(t.dtype()));
  if (t.dtype() == DType::kString) {
    proto.clear_string_data();
    for (const std::string& s : t.strings()) proto.add_string_data(s);
    proto.clear_tersor_encoding();
    return;
  }
  const int encoding = proto.tersor_encoding();
  proto.clear_tersor_encoding();
  const int width = tensor::bits(t.dtype());
  const auto entries = [&]<typename Entry>(Entry, auto* field) {
    const size_t step = std::min(static_cast<size_t>(width < 8 ? 8 : width) / 8, sizeof(Entry));
    const bool extends = tensor::is_integer(t.dtype()) && tensor::is_signed(t.dtype()) && width >= 8;
    for (size_t at = 0; at < t.bytes(); at += step) {
      Entry entry{};
      std::memcpy(&entry, t.raw() + at, step);
      if constexpr (std::is_same_v<Entry, int32_t>) {
        if (extends && step == 1) entry = static_cast<int8_t>(entry);
        if (extends && step == 2) entry = static_cast<int16_t>(entry);
      }
      field->Add(entry);
    }
  };
  if (encoding == kFloats && t.dtype() == DType::kFloat32) {
    entries(float{}, proto.mutable_float_data());
  } else if (encoding == kInt32s && width <= 32 && t.dtype() != DType::kFloat32) {
    entries(int32_t{}, proto.mutable_int32_data());
  } else if (encoding == kInt64s && t.dtype() == DType::kInt64) {
    entries(int64_t{}, proto.mutable_int64_data());
  } else if (encoding == kDoubles && t.dtype() == DType::kFloat64) {
    entries(double{}, proto.mutable_double_data());
  } else if (encoding == kUint64s && width == 64) {
    entries(uint64_t{}, proto.mutable_uint64_data());
  } else if (encoding == kUint64s && t.dtype() == DType::kUint32) {
    for (uint32_t v : t.data<uint32_t>()) proto.add_uint64_data(v);
  } else if (encoding == kNothing && t.bytes() == 0) {
  } else {
    proto.set_raw_data(t.raw(), t.bytes());
  }
}

}  // namespace tersor::onnx

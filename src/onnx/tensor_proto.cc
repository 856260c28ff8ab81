#include "onnx/tensor_proto.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/error.h"
#include "base/limits.h"

namespace tersor::onnx {
namespace {

// The field that held the elements.
enum Encoding { kNone = 0, kRaw, kFloats, kInt32s, kInt64s, kDoubles, kUint64s };

uint64_t number(const std::string& text, const std::string& key) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    base::fail_input("E28", "external data: {} {} is not a number", key, base::quoted(text));
  return value;
}

// "tensor 'fc.weight'"
std::string title(const pb::TensorProto& proto) {
  return proto.name().empty() ? "a tensor" : "tensor " + base::quoted(proto.name());
}

[[noreturn]] void wrong_size(const pb::TensorProto& proto, uint64_t wanted, uint64_t found,
                             const char* unit) {
  base::fail_input("E13", "{} of shape {} needs {} {}, {} are there", title(proto),
                   tensor::to_string(Dims(proto.dims().begin(), proto.dims().end())), wanted, unit,
                   found);
}

[[noreturn]] void wrong_field(const pb::TensorProto& proto, const char* field) {
  base::fail_input("E13", "{} has {} elements, which {} does not hold", title(proto),
                   tensor::name(static_cast<DType>(proto.data_type())), field);
}

[[noreturn]] void given_twice(const pb::TensorProto& proto) {
  base::fail_input("E13", "the elements of {} are given twice", title(proto));
}

Tensor external_tensor(const pb::TensorProto& proto, DType dtype, const Dims& dims, size_t wanted,
                       const Source& source) {
  std::string location;
  uint64_t offset = 0, length = wanted;
  for (const auto& entry : proto.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (entry.key() == "offset") offset = number(entry.value(), "offset");
    if (entry.key() == "length") length = number(entry.value(), "length");
  }
  if (length != wanted) wrong_size(proto, wanted, length, "bytes of external data");
  base::FileBytes file = base::read_inside(source.folder, location, offset, wanted, source.file);
  // Nobody writes a shared buffer, so that a read-only mapping may stand behind it.
  auto* data = const_cast<std::byte*>(file.data);
  auto buffer = std::make_shared<Buffer>(data, file.size,
                                         [owner = std::move(file.owner)](std::byte*, size_t) {});
  return Tensor(dtype, dims, std::move(buffer));
}

// The string's own memory serves as the buffer: no second copy of the weights.
Tensor raw_tensor(const pb::TensorProto& proto, std::string raw, DType dtype, const Dims& dims,
                  size_t wanted) {
  if (raw.size() != wanted) wrong_size(proto, wanted, raw.size(), "bytes");
  constexpr size_t kKeep = 1024;
  if (wanted < kKeep || reinterpret_cast<uintptr_t>(raw.data()) % 16 != 0) {
    Tensor out = Tensor::empty(dtype, dims);
    if (wanted) std::memcpy(out.raw_mutable(), raw.data(), wanted);
    return out;
  }
  auto held = std::make_shared<std::string>(std::move(raw));
  auto* data = reinterpret_cast<std::byte*>(held->data());
  return Tensor(dtype, dims, std::make_shared<Buffer>(data, wanted, [held](std::byte*, size_t) {}));
}

// How many entries of a typed field `count` elements take.
int64_t entry_count(DType dtype, int64_t count, size_t bytes) {
  const int width = tensor::bits(dtype);
  if (width < 8 && width != 6) return static_cast<int64_t>(bytes);  // packed bytes
  const bool pairs = dtype == DType::kComplex64 || dtype == DType::kComplex128;
  return pairs ? base::checked_mul<int64_t>(count, 2) : count;
}

// Bytes of the tensor that one entry of its typed field stands for.
size_t entry_bytes(DType dtype) {
  switch (dtype) {
    case DType::kComplex64:
      return 4;
    case DType::kComplex128:
      return 8;
    default:
      return static_cast<size_t>(std::max(tensor::bits(dtype), 8)) / 8;
  }
}

template <typename Field>
Tensor typed_tensor(const pb::TensorProto& proto, const Field& field, DType dtype,
                    const Dims& dims) {
  const int64_t count = base::element_count(dims);
  const int64_t wanted = entry_count(dtype, count, tensor::byte_size(dtype, count));
  if (field.size() != wanted)
    wrong_size(proto, static_cast<uint64_t>(wanted), static_cast<uint64_t>(field.size()), "values");
  if (tensor::bits(dtype) == 6) {
    Tensor out = Tensor::zeros(dtype, dims);
    auto* to = reinterpret_cast<uint8_t*>(out.raw_mutable());
    for (int64_t i = 0; i < count; ++i) {
      const auto code =
          static_cast<uint32_t>(static_cast<uint64_t>(field[static_cast<int>(i)]) & 63);
      const int64_t bit = i * 6;
      to[bit / 8] = static_cast<uint8_t>(to[bit / 8] | code << (bit % 8));
      if (bit % 8 > 2) to[bit / 8 + 1] = static_cast<uint8_t>(code >> (8 - bit % 8));
    }
    return out;
  }
  Tensor out = Tensor::empty(dtype, dims);
  const size_t step = entry_bytes(dtype);
  std::byte* to = out.raw_mutable();
  for (const auto entry : field) {
    std::memcpy(to, &entry, step);  // little-endian: the low bytes
    to += step;
  }
  return out;
}

Tensor typed_tensor(const pb::TensorProto& proto, DType dtype, const Dims& dims,
                    Encoding& encoding) {
  int used = 0;
  const auto offer = [&](const auto& field, Encoding which) {
    if (field.empty()) return;
    encoding = which;
    ++used;
  };
  offer(proto.float_data(), kFloats);
  offer(proto.int32_data(), kInt32s);
  offer(proto.int64_data(), kInt64s);
  offer(proto.double_data(), kDoubles);
  offer(proto.uint64_data(), kUint64s);
  if (used > 1) given_twice(proto);
  const int width = tensor::bits(dtype);
  switch (encoding) {
    case kFloats:
      if (dtype != DType::kFloat32 && dtype != DType::kComplex64) wrong_field(proto, "float_data");
      return typed_tensor(proto, proto.float_data(), dtype, dims);
    case kInt32s:
      if (width > 32 || dtype == DType::kFloat32 || dtype == DType::kUint32)
        wrong_field(proto, "int32_data");
      return typed_tensor(proto, proto.int32_data(), dtype, dims);
    case kInt64s:
      if (dtype != DType::kInt64) wrong_field(proto, "int64_data");
      return typed_tensor(proto, proto.int64_data(), dtype, dims);
    case kDoubles:
      if (dtype != DType::kFloat64 && dtype != DType::kComplex128)
        wrong_field(proto, "double_data");
      return typed_tensor(proto, proto.double_data(), dtype, dims);
    case kUint64s:
      if (dtype != DType::kUint64 && dtype != DType::kUint32) wrong_field(proto, "uint64_data");
      return typed_tensor(proto, proto.uint64_data(), dtype, dims);
    default:
      break;
  }
  const int64_t count = base::element_count(dims);
  if (count != 0) wrong_size(proto, static_cast<uint64_t>(count), 0, "values");
  return Tensor::empty(dtype, dims);
}

template <typename Entry, typename Field>
void put_typed(const Tensor& t, Field* field) {
  if (tensor::bits(t.dtype()) == 6) {
    const auto* from = reinterpret_cast<const uint8_t*>(t.raw());
    for (int64_t i = 0; i < t.count(); ++i) {
      const int64_t bit = i * 6;
      uint32_t code = from[bit / 8] >> (bit % 8);
      if (bit % 8 > 2) code |= static_cast<uint32_t>(from[bit / 8 + 1]) << (8 - bit % 8);
      field->Add(static_cast<Entry>(code & 63));
    }
    return;
  }
  const size_t step = entry_bytes(t.dtype());
  field->Reserve(static_cast<int>(t.bytes() / step));
  for (size_t at = 0; at < t.bytes(); at += step) {
    Entry entry{};
    std::memcpy(&entry, t.raw() + at, step);
    if (t.dtype() == DType::kInt8) entry = static_cast<Entry>(static_cast<int8_t>(entry));
    if (t.dtype() == DType::kInt16) entry = static_cast<Entry>(static_cast<int16_t>(entry));
    field->Add(entry);
  }
}

bool fits(int encoding, DType dtype) {
  switch (encoding) {
    case kFloats:
      return dtype == DType::kFloat32 || dtype == DType::kComplex64;
    case kInt32s:
      return tensor::bits(dtype) <= 32 && dtype != DType::kFloat32 && dtype != DType::kUint32;
    case kInt64s:
      return dtype == DType::kInt64;
    case kDoubles:
      return dtype == DType::kFloat64 || dtype == DType::kComplex128;
    case kUint64s:
      return dtype == DType::kUint64 || dtype == DType::kUint32;
    default:
      return false;
  }
}

// A bool is 0 or 1; files may hold any byte.
Tensor clean_bools(Tensor t) {
  const auto* from = reinterpret_cast<const uint8_t*>(t.raw());
  if (std::all_of(from, from + t.bytes(), [](uint8_t b) { return b <= 1; })) return t;
  Tensor out = Tensor::empty(DType::kBool, t.dims());
  auto* to = reinterpret_cast<uint8_t*>(out.raw_mutable());
  std::transform(from, from + t.bytes(), to, [](uint8_t b) -> uint8_t { return b != 0; });
  return out;
}

Tensor deferred_tensor(const pb::TensorProto& proto, DType dtype, const Dims& dims, size_t wanted,
                       const Deferred& deferred) {
  if (deferred.length != wanted) wrong_size(proto, wanted, deferred.length, "bytes");
  return Tensor(dtype, dims, Buffer::deferred(wanted, [deferred](std::byte* to) {
                  deferred.file->check_unchanged();
                  deferred.file->read(deferred.offset, to, deferred.length);
                }));
}

Tensor convert(pb::TensorProto& proto, const Dims& dims, DType dtype, const Source& source,
               const Deferred* deferred, Encoding& encoding) {
  if (dtype == DType::kString) {
    if (proto.data_location() == 1 || !proto.raw_data().empty() || deferred)
      wrong_field(proto, "raw_data");
    const int64_t count = base::element_count(dims);
    if (count != proto.string_data_size())
      wrong_size(proto, static_cast<uint64_t>(count),
                 static_cast<uint64_t>(proto.string_data_size()), "strings");
    return Tensor::of_strings(dims, {proto.string_data().begin(), proto.string_data().end()});
  }
  const size_t bytes = tensor::byte_size(dtype, base::element_count(dims));
  if (proto.data_location() == 1) {
    encoding = kRaw;
    return external_tensor(proto, dtype, dims, bytes, source);
  }
  // Some writers give an empty raw_data along with a typed field.
  const bool typed = proto.float_data_size() || proto.int32_data_size() ||
                     proto.int64_data_size() || proto.double_data_size() ||
                     proto.uint64_data_size();
  if (deferred || (proto.has_raw_data() && !(typed && proto.raw_data().empty()))) {
    if (typed) given_twice(proto);
    encoding = kRaw;
    if (deferred) return deferred_tensor(proto, dtype, dims, bytes, *deferred);
    return raw_tensor(proto, std::move(*proto.mutable_raw_data()), dtype, dims, bytes);
  }
  return typed_tensor(proto, dtype, dims, encoding);
}

}  // namespace

namespace {

// Before anything is multiplied or allocated.
void check_header(const pb::TensorProto& proto) {
  if (proto.dims_size() > limits::kRank)
    base::fail(ErrorKind::kLimit, "E60", "{} has {} dimensions, more than the limit of {}",
               title(proto), proto.dims_size(), limits::kRank);
  for (int64_t d : proto.dims())
    if (d < 0) base::fail_input("E12", "{} has the negative dimension {}", title(proto), d);
  const auto dtype = static_cast<DType>(proto.data_type());
  if (dtype == DType::kUndefined) base::fail_input("E13", "{} has no element type", title(proto));
  if (dtype != DType::kString && tensor::bits(dtype) == 0)
    base::fail_unsupported("{} has elements of {}, which is not known", title(proto),
                           tensor::name(dtype));
  base::with_frame(
      [&] {
        const Dims dims(proto.dims().begin(), proto.dims().end());
        const int64_t count = base::element_count(dims);
        if (dtype != DType::kString) tensor::byte_size(dtype, count);
      },
      [&] { return title(proto); });
}

}  // namespace

Tensor take_tensor(pb::TensorProto& proto, const Source& source, const Deferred* deferred) {
  check_header(proto);
  const Dims dims(proto.dims().begin(), proto.dims().end());
  Encoding encoding = kNone;
  Tensor out =
      convert(proto, dims, static_cast<DType>(proto.data_type()), source, deferred, encoding);
  if (out.dtype() == DType::kBool) out = clean_bools(std::move(out));
  proto.clear_tersor_encoding();
  if (encoding != kNone) proto.set_tersor_encoding(encoding);
  proto.clear_dims();
  proto.clear_data_type();
  proto.clear_external_data();
  if (proto.data_location() == 1) proto.clear_data_location();
  proto.clear_string_data();
  proto.clear_raw_data();
  proto.clear_float_data();
  proto.clear_int32_data();
  proto.clear_int64_data();
  proto.clear_double_data();
  proto.clear_uint64_data();
  return out;
}

void put_tensor(const Tensor& t, pb::TensorProto& proto) {
  const int encoding = proto.tersor_encoding();
  proto.clear_tersor_encoding();
  proto.clear_dims();
  for (int64_t d : t.dims()) proto.add_dims(d);
  proto.set_data_type(static_cast<int32_t>(t.dtype()));
  if (t.dtype() == DType::kString) {
    for (const std::string& s : t.strings()) proto.add_string_data(s);
  } else if (!fits(encoding, t.dtype())) {
    if (t.bytes() || encoding == kRaw) proto.set_raw_data(t.raw(), t.bytes());
  } else if (encoding == kFloats) {
    put_typed<float>(t, proto.mutable_float_data());
  } else if (encoding == kInt32s) {
    put_typed<int32_t>(t, proto.mutable_int32_data());
  } else if (encoding == kInt64s) {
    put_typed<int64_t>(t, proto.mutable_int64_data());
  } else if (encoding == kDoubles) {
    put_typed<double>(t, proto.mutable_double_data());
  } else {
    put_typed<uint64_t>(t, proto.mutable_uint64_data());
  }
}

bool ExternalData::take(const Tensor& t, pb::TensorProto& proto) {
  constexpr size_t kSmall = 1024, kLarge = size_t{1} << 20;
  if (t.dtype() == DType::kString || t.bytes() < kSmall) return false;
  // Pages for what is worth mapping, cache lines for the rest.
  const uint64_t grain = t.bytes() >= kLarge ? 4096 : 64;
  const uint64_t offset = base::align_up(file_.size(), grain);
  append(std::string(offset - file_.size(), '\0'));
  append({reinterpret_cast<const char*>(t.raw()), t.bytes()});
  proto.clear_tersor_encoding();
  proto.clear_dims();
  for (int64_t d : t.dims()) proto.add_dims(d);
  proto.set_data_type(static_cast<int32_t>(t.dtype()));
  const auto add = [&](const char* key, std::string value) {
    auto* entry = proto.add_external_data();
    entry->set_key(key);
    entry->set_value(std::move(value));
    return entry;
  };
  locations_.push_back(add("location", ""));
  add("offset", std::to_string(offset));
  add("length", std::to_string(t.bytes()));
  proto.set_data_location(1);
  return true;
}

void ExternalData::append(std::string_view bytes) {
  file_.write(bytes);
  size_t i = 0;
  const auto mix = [&](uint64_t word) {
    hash_ = (hash_ ^ word) * 0x9e3779b97f4a7c15u;
    hash_ ^= hash_ >> 32;
  };
  for (; bytes.size() - i >= 8; i += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + i, 8);
    mix(word);
  }
  for (; i < bytes.size(); ++i) mix(static_cast<unsigned char>(bytes[i]));
}

std::string ExternalData::name(const std::filesystem::path& model) {
  std::string stem = model.filename().string();
  if (stem.size() > 200) stem.resize(200);
  std::string name = fmt::format("{}.{:016x}.data", stem, hash_);
  for (auto* entry : locations_) entry->set_value(name);
  return name;
}

}  // namespace tersor::onnx

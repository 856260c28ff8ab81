#include "calib/npy.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"
#include "calib/arrays.h"

namespace tersor::calib {
namespace {

[[noreturn]] void fail_npy(const std::string& name, const std::string& why) {
  base::fail_input("E23", "{} is not a readable .npy array: {}", base::quoted(name), why);
}

// The Python literal in the header: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class Literal {
 public:
  Literal(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  ArrayHeader read() {
    ArrayHeader h;
    bool descr = false, order = false, shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr" && !descr) {
        descr = true;
        read_type(h);
      } else if (key == "fortran_order" && !order) {
        order = true;
        h.fortran_order = read_bool();
      } else if (key == "shape" && !shape) {
        shape = true;
        h.dims = read_shape();
      } else {
        bad("unknown or repeated key " + base::quoted(key));
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    if (!descr || !order || !shape) bad("its header lacks a key");
    return h;
  }

 private:
  [[noreturn]] void bad(const std::string& why) const { fail_npy(name_, why); }
  char peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) bad("its header is malformed");
  }
  std::string quoted() {
    const char mark = peek();
    if (mark != '\'' && mark != '"') bad("its header is malformed");
    const size_t start = ++at_;
    const size_t end = text_.find(mark, start);
    if (end == std::string_view::npos) bad("its header is malformed");
    at_ = end + 1;
    return std::string(text_.substr(start, end - start));
  }
  bool read_bool() {
    peek();
    for (const auto& [word, value] : {std::pair<std::string_view, bool>{"False", false},
                                      std::pair<std::string_view, bool>{"True", true}})
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return value;
      }
    bad("its header is malformed");
  }
  Dims read_shape() {
    Dims dims;
    expect('(');
    while (!accept(')')) {
      int64_t n = 0;
      if (peek() < '0' || peek() > '9') bad("its shape is malformed");
      for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_)
        n = base::checked_add<int64_t>(base::checked_mul<int64_t>(n, 10), text_[at_] - '0');
      if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // written by Python 2
      dims.push_back(n);
      if (dims.size() > static_cast<size_t>(limits::kRank))
        base::fail(ErrorKind::kLimit, "E60", "{} has more than {} dimensions", base::quoted(name_),
                   limits::kRank);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return dims;
  }
  void read_type(ArrayHeader& h) {
    if (peek() == '[') bad("it holds records");
    const std::string type = quoted();
    if (type.size() < 2) bad("unknown element type " + base::quoted(type));
    const char order = type[0];
    const std::string kind = type.substr(1);
    constexpr std::pair<std::string_view, DType> kTypes[] = {
        {"f4", DType::kFloat32}, {"f8", DType::kFloat64}, {"f2", DType::kFloat16},
        {"i1", DType::kInt8},    {"u1", DType::kUint8},   {"i2", DType::kInt16},
        {"u2", DType::kUint16},  {"i4", DType::kInt32},   {"u4", DType::kUint32},
        {"i8", DType::kInt64},   {"u8", DType::kUint64},  {"b1", DType::kBool}};
    for (const auto& [text, dtype] : kTypes)
      if (kind == text) h.dtype = dtype;
    if (kind.starts_with('O')) bad("it holds pickled objects, which are never read");
    if (h.dtype == DType::kUndefined ||
        (order != '<' && order != '>' && order != '|' && order != '='))
      bad("element type " + base::quoted(type) + " is not supported");
    h.swapped = order == '>' && tensor::bits(h.dtype) > 8;
  }

  std::string_view text_;
  const std::string& name_;
  size_t at_ = 0;
};

void swap_bytes(std::byte* data, size_t bytes, size_t width) {
  for (size_t i = 0; i < bytes; i += width) std::reverse(data + i, data + i + width);
}

// A bool is 0 or 1, whatever the file says.
void tidy_bools(Tensor& t) {
  if (t.dtype() != DType::kBool) return;
  for (size_t i = 0; i < t.bytes(); ++i)
    t.raw_mutable()[i] = static_cast<std::byte>(t.raw()[i] != std::byte{0});
}

Tensor from_fortran(const Tensor& t, const Dims& dims) {
  Tensor out = Tensor::empty(t.dtype(), dims);
  const auto width = static_cast<size_t>(tensor::bits(t.dtype()) / 8);
  std::vector<size_t> strides(dims.size());
  size_t stride = width;
  for (size_t d = 0; d < dims.size(); ++d) {
    strides[d] = stride;
    stride *= static_cast<size_t>(dims[d]);
  }
  std::vector<int64_t> index(dims.size());
  size_t from = 0;
  for (int64_t i = 0; i < t.count(); ++i) {
    std::memcpy(out.raw_mutable() + static_cast<size_t>(i) * width, t.raw() + from, width);
    for (size_t d = dims.size(); d-- > 0;) {
      from += strides[d];
      if (++index[d] < dims[d]) break;
      from -= strides[d] * static_cast<size_t>(dims[d]);
      index[d] = 0;
    }
  }
  return out;
}

}  // namespace

uint64_t ArrayHeader::data_bytes() const {
  return base::checked_mul(static_cast<uint64_t>(base::element_count(dims)),
                           static_cast<uint64_t>(element_bytes()));
}

ArrayHeader read_array_header(ByteStream& stream, const std::string& name) {
  unsigned char start[12] = {};
  stream.read(start, 10);
  if (std::memcmp(start, "\x93NUMPY", 6) != 0) fail_npy(name, "it does not start as one");
  const int version = start[6];
  if (version < 1 || version > 3)
    fail_npy(name, fmt::format("format version {} is not known", version));
  uint64_t length = start[8] | start[9] << 8;
  if (version > 1) {
    stream.read(start + 10, 2);
    length |= static_cast<uint64_t>(start[10]) << 16 | static_cast<uint64_t>(start[11]) << 24;
  }
  if (length > limits::kArrayHeaderBytes)
    base::fail(ErrorKind::kLimit, "E60", "the header of {} has {} bytes, more than the limit of {}",
               base::quoted(name), length, limits::kArrayHeaderBytes);
  std::string text(length, '\0');
  stream.read(text.data(), text.size());
  ArrayHeader header = Literal(text, name).read();
  const uint64_t bytes = header.data_bytes();
  if (stream.packing() == Packing::kNone) {
    const uint64_t left = stream.packed_bytes() - stream.position();
    if (bytes > left)
      throw Error(ErrorKind::kInput, "E03",
                  fmt::format("{} is cut off: its array of shape {} needs {} bytes, {} are there",
                              base::quoted(name), tensor::to_string(header.dims), bytes, left),
                  "download or copy it again");
  } else {
    check_ratio(stream.packed_bytes(), bytes, name);
  }
  return header;
}

Tensor read_elements(ByteStream& stream, const ArrayHeader& header, Dims dims) {
  Tensor t = Tensor::empty(header.dtype, std::move(dims));
  stream.read(t.raw_mutable(), t.bytes());
  if (header.swapped)
    swap_bytes(t.raw_mutable(), t.bytes(), static_cast<size_t>(header.element_bytes()));
  tidy_bools(t);
  return t;
}

Tensor read_array(ByteStream& stream, const ArrayHeader& header, const std::string& name) {
  if (header.data_bytes() > limits::kDataFileBytes)
    base::fail(ErrorKind::kLimit, "E60", "the array of {} has {} bytes, more than the limit of {}",
               base::quoted(name), header.data_bytes(), limits::kDataFileBytes);
  Tensor t = read_elements(stream, header, header.dims);
  return header.fortran_order && header.dims.size() > 1 ? from_fortran(t, header.dims) : t;
}

Tensor read_npy(const std::filesystem::path& path) {
  auto file = std::make_shared<const InputFile>(path);
  ByteStream stream(file, 0, file->size(), Packing::kNone);
  const ArrayHeader header = read_array_header(stream, file->name());
  return read_array(stream, header, file->name());
}

}  // namespace tersor::calib

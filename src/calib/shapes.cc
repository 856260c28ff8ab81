#include "calib/shapes.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>

#include "base/error.h"

namespace tersor::calib {

std::string shape_text(const Dims& dims) {
  std::string text;
  for (int64_t d : dims) text += (text.empty() ? "" : ",") + std::to_string(d);
  return "[" + text + "]";
}

std::string shape_text(const InputSpec& input) {
  if (!input.shape) return "[...]";
  std::string text;
  for (const ir::Dim& d : *input.shape)
    text += (text.empty() ? "" : ",") + base::printable(ir::to_string(d));
  return "[" + text + "]";
}

bool fits(const Dims& dims, const ir::Shape& shape, size_t from) {
  if (from > shape.size() || dims.size() != shape.size() - from) return false;
  for (size_t i = 0; i < dims.size(); ++i)
    if (shape[from + i].known() && shape[from + i].value != dims[i]) return false;
  return true;
}

bool is_batch(const ir::Dim& dim) {
  if (dim.known()) return false;
  std::string name = dim.symbol;
  std::ranges::transform(name, name.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  constexpr std::array<std::string_view, 6> kLengths{"seq",  "len",   "time",
                                                     "step", "frame", "token"};
  return name != "t" && name != "l" && name != "s" &&
         std::ranges::none_of(kLengths, [&](auto part) { return name.find(part) != name.npos; });
}

Split split_samples(const Dims& dims, const InputSpec& input) {
  const Split whole;
  if (dims.empty()) return whole;
  if (!input.shape) return {dims[0], true, true};
  const ir::Shape& shape = *input.shape;
  const Dims rest(dims.begin() + 1, dims.end());
  if (dims.size() == shape.size() && fits(rest, shape, 1)) {
    const ir::Dim& first = shape[0];
    if (first.known() ? first.value > 0 && first.value != dims[0] : is_batch(first))
      return {dims[0], true, true};
  }
  if (fits(rest, shape)) return {dims[0], true, false};
  return whole;
}

namespace {

// float32 from what an integer picture holds, and between float types; never from float to integer.
Tensor convert(const Tensor& t, const InputSpec& input, int64_t number, const std::string& source) {
  if (t.dtype() == input.dtype) return t;
  const bool to_float = tensor::is_float(input.dtype);
  const bool from_number =
      tensor::is_float(t.dtype()) || tensor::is_integer(t.dtype()) || t.dtype() == DType::kBool;
  if (from_number && (to_float || !tensor::is_float(t.dtype()))) {
    Tensor converted = tensor::cast(t, input.dtype);
    int64_t i = 0;
    if (to_float) return converted;
    while (i < t.count() && tensor::as_int64(t, i) == tensor::as_int64(converted, i) &&
           tensor::as_double(t, i) == tensor::as_double(converted, i))
      ++i;
    if (i == t.count()) return converted;
    base::fail_input("E20",
                     "calibration item {} ({}) has values that {} cannot hold; input {} needs {}",
                     number, base::quoted(source), tensor::name(input.dtype),
                     base::quoted(input.name), tensor::name(input.dtype));
  }
  base::fail_input("E20", "calibration item {} ({}) has type {}; input {} needs {}", number,
                   base::quoted(source), tensor::name(t.dtype()), base::quoted(input.name),
                   tensor::name(input.dtype));
}

// The tensor with axis `axis` of size 1 repeated three times.
Tensor repeat_axis(const Tensor& t, size_t axis) {
  Dims dims = t.dims();
  dims[axis] = 3;
  size_t inner = static_cast<size_t>(tensor::bits(t.dtype()) / 8), outer = 1;
  for (size_t i = 0; i < dims.size(); ++i)
    if (i != axis) (i < axis ? outer : inner) *= static_cast<size_t>(dims[i]);
  Tensor out = Tensor::empty(t.dtype(), dims);
  for (size_t o = 0; o < outer && inner > 0; ++o)
    for (size_t c = 0; c < 3; ++c)
      std::memcpy(out.raw_mutable() + (3 * o + c) * inner, t.raw() + o * inner, inner);
  return out;
}

std::string advice(const Dims& dims, const ir::Shape& shape) {
  if (dims.size() != shape.size()) return {};
  for (size_t channel : {size_t{1}, size_t{3}}) {
    if (dims.size() != 4 || !shape[channel].known()) continue;
    Dims rgb = dims;
    rgb[channel] = 3;
    if (shape[channel].value == 3 && dims[channel] == 1 && fits(rgb, shape))
      return "grey images? use --preprocess rgb";
  }
  if (dims.size() == 4) {
    if (fits({dims[0], dims[3], dims[1], dims[2]}, shape))
      return "the channels stand last: transpose the array by (0, 3, 1, 2)";
    if (fits({dims[0], dims[2], dims[3], dims[1]}, shape))
      return "the channels stand first: transpose the array by (0, 2, 3, 1)";
  }
  return {};
}

}  // namespace

Tensor fit(Tensor t, const InputSpec& input, int64_t number, const std::string& source,
           bool repeat_gray) {
  t = convert(t, input, number, source);
  if (!input.shape) return t;
  const ir::Shape& shape = *input.shape;
  const Dims given = t.dims();
  const auto with_batch = [&] {
    Dims dims = t.dims();
    dims.insert(dims.begin(), 1);
    return dims;
  };
  // Whatever the batch, one row of it will do: rows are put together later.
  const auto fits_rows = [&](const Dims& dims) {
    if (fits(dims, shape)) return true;
    return !dims.empty() && dims[0] == 1 && dims.size() == shape.size() && shape[0].value > 1 &&
           fits(Dims(dims.begin() + 1, dims.end()), shape, 1);
  };
  if (repeat_gray)
    for (size_t axis = 0; axis < given.size(); ++axis) {
      Dims rgb = given;
      if (rgb[axis] != 1 || fits_rows(given)) continue;
      rgb[axis] = 3;
      if (fits_rows(rgb)) return repeat_axis(t, axis);
    }
  if (fits_rows(t.dims())) return t;
  if (t.dims().size() + 1 == shape.size() && fits_rows(with_batch()))
    return t.reshaped(with_batch());
  throw Error(ErrorKind::kInput, "E20",
              fmt::format("calibration item {} ({}) has shape {}; input {} needs {}", number,
                          base::quoted(source), shape_text(given), base::quoted(input.name),
                          shape_text(input)),
              advice(given, shape));
}

}  // namespace tersor::calib

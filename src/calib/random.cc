// Samples out of thin air: reproducible, and marked as not meaningful.
#include <charconv>
#include <cmath>
#include <numbers>

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"
#include "calib/shapes.h"
#include "calib/source.h"

namespace tersor::calib {
namespace {

// SplitMix64: the same numbers everywhere, any sample without those before it.
class Generator {
 public:
  explicit Generator(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  float uniform() { return static_cast<float>(next() >> 40) * 0x1p-24f; }  // [0, 1)
  float normal() {
    const double u = (static_cast<double>(next() >> 11) + 0.5) * 0x1p-53;
    const double v = static_cast<double>(next() >> 11) * 0x1p-53;
    return static_cast<float>(std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v));
  }

 private:
  uint64_t state_;
};

bool is_picture(const Dims& dims) {
  const auto channels = [](int64_t n) { return n == 1 || n == 3 || n == 4; };
  return dims.size() == 4 && (channels(dims[1]) || channels(dims[3]));
}

class Random : public Source {
 public:
  Random(int64_t count, const DatasetSpec& spec, const Inputs& inputs)
      : count_(count), seed_(spec.seed) {
    synthetic = true;
    summary = "random numbers";
    for (const InputSpec& input : inputs) {
      if (!input.shape)
        base::fail_input("E20", "random data need a shape; that of input {} is unknown",
                         base::quoted(input.name));
      specs_.push_back(input);
      dims_.push_back(choose_dims(*input.shape, spec));
    }
  }
  int64_t size() const override { return count_; }
  void read(int64_t i, Sample& sample) override {
    sample.source = "random";
    for (size_t k = 0; k < specs_.size(); ++k) {
      Generator mix(seed_ ^ (static_cast<uint64_t>(i) << 20) ^ k);
      sample.inputs.emplace_back(specs_[k].name, make(specs_[k], dims_[k], Generator(mix.next())));
    }
  }

 private:
  static Dims choose_dims(const ir::Shape& shape, const DatasetSpec& spec) {
    constexpr int64_t kSide = 224, kLength = 16;
    Dims dims;
    for (size_t i = 0; i < shape.size(); ++i) {
      const ir::Dim& d = shape[i];
      const auto given = spec.symbols.find(d.symbol);
      const bool picture = shape.size() == 4;
      dims.push_back(d.known()                                     ? d.value
                     : given != spec.symbols.end()                 ? given->second
                     : i == 0 && is_batch(d)                       ? 1
                     : picture && i == 1                           ? 3
                     : picture                                     ? kSide
                     : d.symbol.find("batch") != std::string::npos ? 1
                                                                   : kLength);
    }
    // Whatever of [N, ?, ?, 3] was open is not the number of channels.
    if (shape.size() == 4 && shape[3].known() && shape[3].value <= 4 && !shape[1].known())
      dims[1] = kSide;
    return dims;
  }

  static Tensor make(const InputSpec& input, const Dims& dims, Generator g) {
    if (tensor::is_float(input.dtype)) {
      Tensor t = Tensor::empty(DType::kFloat32, dims);
      const bool picture = is_picture(dims);
      for (float& x : t.mutable_data<float>()) x = picture ? g.uniform() : g.normal();
      return input.dtype == DType::kFloat32 ? t : tensor::cast(t, input.dtype);
    }
    if (!tensor::is_integer(input.dtype) && input.dtype != DType::kBool)
      base::fail_input("E20", "random data cannot feed input {} of type {}",
                       base::quoted(input.name), tensor::name(input.dtype));
    // Masks are all ones; ids are small enough for any table.
    Tensor t = Tensor::empty(DType::kInt64, dims);
    constexpr uint64_t kIds = 8;
    const bool ones = input.dtype == DType::kBool || input.name.find("mask") != std::string::npos;
    const bool zeros = input.name.find("type") != std::string::npos;
    const uint64_t range = input.dtype == DType::kUint8 && is_picture(dims) ? 256
                           : tensor::bits(input.dtype) < 4                  ? 2
                                                                            : kIds;
    for (int64_t& x : t.mutable_data<int64_t>())
      x = ones ? 1 : zeros ? 0 : static_cast<int64_t>(g.next() % range);
    return tensor::cast(t, input.dtype);
  }

  int64_t count_;
  uint64_t seed_;
  Inputs specs_;
  std::vector<Dims> dims_;
};

}  // namespace

std::unique_ptr<Source> open_random(const std::string& count, const DatasetSpec& spec,
                                    const Inputs& inputs) {
  int64_t n = 0;
  const auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), n);
  if (error != std::errc() || end != count.data() + count.size() || n < 1 || n > limits::kDataItems)
    throw Error(ErrorKind::kUsage, "E50", "bad number of random samples " + base::quoted(count),
                "as in random:100");
  return std::make_unique<Random>(n, spec, inputs);
}

}  // namespace tersor::calib

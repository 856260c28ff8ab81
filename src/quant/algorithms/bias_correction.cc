#include "quant/algorithms/bias_correction.h"

namespace tersor::quant {
namespace {

bool is_gemm(const ir::Node& node) { return node.op == "Gemm"; }

}  // namespace

bool corrects_bias(const ir::Graph& graph, const ir::Node& node) {
  if (node.op != "Conv" && !is_gemm(node)) return false;
  return node.input(2) == ir::kNone || graph.constant(node.input(2)) != nullptr;
}

std::vector<float> corrected_bias(const ir::Node& node, const Tensor& weight, const Tensor& rounded,
                                  const Tensor* bias, const std::vector<double>& mean) {
  const bool transposed = is_gemm(node) && node.attr_int("transB", 0) == 0;  // [C, M]
  const int64_t outputs = weight.dim(transposed ? 1 : 0);
  const int64_t inputs = weight.dim(transposed ? 0 : 1);  // of one group
  const int64_t groups = is_gemm(node) ? 1 : node.attr_int("group", 1);
  if (groups <= 0 || outputs % groups != 0 || static_cast<int64_t>(mean.size()) != inputs * groups)
    return {};
  const int64_t taps = outputs * inputs > 0 ? weight.count() / (outputs * inputs) : 0;
  const auto w = weight.data<float>(), r = rounded.data<float>();
  const auto step = static_cast<size_t>(transposed ? outputs : taps);  // to the next input
  std::vector<float> out;
  for (int64_t m = 0; m < outputs; ++m) {
    const int64_t first = m / (outputs / groups) * inputs;
    double shift = 0;
    auto i = static_cast<size_t>(transposed ? m : m * inputs * taps);
    for (int64_t c = 0; c < inputs; ++c, i += step) {
      double error = 0;
      for (size_t t = 0; t < static_cast<size_t>(taps); ++t)
        error += static_cast<double>(r[i + t]) - static_cast<double>(w[i + t]);
      shift += error * mean[static_cast<size_t>(first + c)];
    }
    const double b = bias ? tensor::as_double(*bias, m) : 0.0;
    out.push_back(static_cast<float>(b - shift));
  }
  return out;
}

}  // namespace tersor::quant

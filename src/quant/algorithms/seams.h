// Seams: values between two operators with weights whose channels may change their unit, because
// everything between is channel by channel and homogeneous, f(x / s) = f(x) / s. Private to the
// room.
#pragma once

#include <limits>
#include <optional>
#include <vector>

#include "ir/model.h"

namespace tersor::quant {

// How the elements of a weight belong to channels of its operator: Conv, ConvTranspose, Gemm.
struct WeightView {
  const Tensor* weight = nullptr;
  const Tensor* bias = nullptr;  // [outputs], or absent
  int64_t outputs = 0, inputs = 0;
  int64_t inputs_per_output = 0;  // of one group
  // visit(first element, how many, output channel, input channel)
  template <typename Visit>
  void each_run(Visit&& visit) const {
    const int64_t in_group = rows / groups;
    const bool outputs_first = form == Form::kOutputsFirst;
    size_t i = 0;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c, i += static_cast<size_t>(taps)) {
        const int64_t across = r / in_group * columns + c;
        visit(i, static_cast<size_t>(taps), outputs_first ? r : across, outputs_first ? across : r);
      }
  }
  // visit(element, output channel, input channel)
  template <typename Visit>
  void each(Visit&& visit) const {
    each_run([&](size_t first, size_t count, int64_t out, int64_t in) {
      for (size_t i = first; i < first + count; ++i) visit(i, out, in);
    });
  }

  enum class Form : uint8_t { kOutputsFirst, kInputsFirst };
  Form form = Form::kOutputsFirst;  // [outputs, inputs of a group, taps], or the other way round
  int64_t rows = 0, columns = 0, taps = 1, groups = 1;
};
// nullopt unless the weights, and the bias if there is one, are constant float32 tensors.
std::optional<WeightView> weight_view(const ir::Graph& graph, const ir::Node& node);

struct Seam {
  ir::NodeId first = ir::kNone, second = ir::kNone;
  std::vector<ir::NodeId> between;  // in order
  int64_t channels = 0;             // of the output of `first`
  int64_t spread = 1;               // inputs of `second` for each of them (behind Flatten)
  bool rectified = false;           // values below zero vanish
  // Of a Clip between them; infinity if there is none.
  float ceiling = std::numeric_limits<float>::infinity();
  // Before the Clip, per channel, whatever the input: infinity where nothing is known. Empty if
  // there is no Clip.
  std::vector<double> bound;
};
// In graph order. Every value of a seam has one reader and is no graph output.
std::vector<Seam> find_seams(const ir::Model& model);

}  // namespace tersor::quant

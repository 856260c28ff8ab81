#include "eval/classes.h"

#include <algorithm>
#include <cmath>

namespace tersor::eval {

bool is_class_output(const Tensor& t) {
  if (!tensor::is_float(t.dtype()) || t.rank() < 2 || t.dim(1) < 2) return false;
  for (size_t d = 2; d < t.dims().size(); ++d)
    if (t.dims()[d] != 1) return false;
  return t.rank() == 2 || t.rank() == 4;
}

int64_t class_count(const Tensor& output) { return output.dim(1); }

Verdict judge(std::span<const float> scores) {
  Verdict v;
  if (scores.empty()) return v;
  size_t first = 0;
  double sum = 0;
  bool probabilities = true;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!std::isfinite(scores[i])) v.finite = false;
    if (scores[i] > scores[first]) first = i;
    sum += static_cast<double>(scores[i]);
    probabilities &= scores[i] >= 0;
  }
  v.label = static_cast<int64_t>(first);
  if (!v.finite) return v;
  float second = -HUGE_VALF;
  for (size_t i = 0; i < scores.size(); ++i)
    if (i != first) second = std::max(second, scores[i]);
  if (probabilities && std::fabs(sum - 1) < 1e-3) {
    v.probability = static_cast<double>(scores[first]);
    v.margin = v.probability - static_cast<double>(second);
    return v;
  }
  const double top = static_cast<double>(scores[first]);
  double total = 0;
  for (float s : scores) total += std::exp(static_cast<double>(s) - top);
  v.probability = 1 / total;
  v.margin = (1 - std::exp(static_cast<double>(second) - top)) / total;
  return v;
}

bool in_top(std::span<const float> scores, int64_t label, int64_t k) {
  if (label < 0 || label >= static_cast<int64_t>(scores.size())) return false;
  const float own = scores[static_cast<size_t>(label)];
  int64_t before = 0;
  for (size_t i = 0; i < scores.size(); ++i)
    before += scores[i] > own || (scores[i] == own && static_cast<int64_t>(i) < label);
  return before < k;
}

}  // namespace tersor::eval

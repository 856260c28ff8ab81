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

bool are_probabilities(std::span<const float> scores) {
  double sum = 0;
  for (float s : scores) {
    if (!(s >= 0)) return false;
    sum += static_cast<double>(s);
  }
  return std::fabs(sum - 1) < 1e-3;
}

double probability_of(std::span<const float> scores, int64_t label, bool probabilities) {
  const double own = static_cast<double>(scores[static_cast<size_t>(label)]);
  if (probabilities) return own;
  const double top = static_cast<double>(*std::ranges::max_element(scores));
  double total = 0;
  for (float s : scores) total += std::exp(static_cast<double>(s) - top);
  return std::exp(own - top) / total;
}

Verdict judge(std::span<const float> scores, bool probabilities) {
  Verdict v;
  if (scores.empty()) return v;
  size_t first = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!std::isfinite(scores[i])) v.finite = false;
    if (scores[i] > scores[first]) first = i;
  }
  v.label = static_cast<int64_t>(first);
  if (!v.finite) return v;
  size_t second = first == 0 ? 1 : 0;
  for (size_t i = 0; i < scores.size(); ++i)
    if (i != first && scores[i] > scores[second]) second = i;
  v.probability = probability_of(scores, v.label, probabilities);
  v.margin = v.probability;
  if (second < scores.size())
    v.margin -= probability_of(scores, static_cast<int64_t>(second), probabilities);
  return v;
}

Verdict judge(std::span<const float> scores) { return judge(scores, are_probabilities(scores)); }

bool in_top(std::span<const float> scores, int64_t label, int64_t k) {
  if (label < 0 || label >= static_cast<int64_t>(scores.size())) return false;
  const float own = scores[static_cast<size_t>(label)];
  int64_t before = 0;
  for (size_t i = 0; i < scores.size(); ++i)
    before += scores[i] > own || (scores[i] == own && static_cast<int64_t>(i) < label);
  return before < k;
}

}  // namespace tersor::eval

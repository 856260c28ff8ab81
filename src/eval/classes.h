// Class outputs: one score per class and sample.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace tersor::eval {

// True for float [N, K] or [N, K, 1, 1] with K >= 2: what a classifier gives.
bool is_class_output(const Tensor& output);
// The number of classes of such an output.
int64_t class_count(const Tensor& output);

struct Verdict {
  int64_t label = 0;       // of the largest score; the first of equals
  double probability = 0;  // of that label
  double margin = 0;       // to the probability of the second label
  bool finite = true;
};
// True if all scores are >= 0 and their sum is within 1e-3 of 1.
bool are_probabilities(std::span<const float> scores);
// Softmax is applied (in double) unless the scores are probabilities. Two models are judged alike
// only if that is decided once, for the original: rounding spoils the sum of the other's.
Verdict judge(std::span<const float> scores, bool probabilities);
Verdict judge(std::span<const float> scores);
// The probability of one label; the scores are finite.
double probability_of(std::span<const float> scores, int64_t label, bool probabilities);
// True if `label` is among the k largest scores.
bool in_top(std::span<const float> scores, int64_t label, int64_t k);

}  // namespace tersor::eval

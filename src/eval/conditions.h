// Conditions that fail a comparison, such as "top1_agree<0.99".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tersor/compare.h"

namespace tersor::eval {

// `measure` is one of top1_agree, top1_drop, top1_a, top1_b, sqnr, cosine, max_abs,
// probability_change; of several outputs the worst counts.
struct Condition {
  std::string text, measure;
  bool below = true;  // the comparison fails where the measure is below the limit, otherwise above
  double limit = 0;
};
// E50 says what is wrong and what there is; also for what would fail where the measure is good.
Condition parse_condition(std::string_view text);
// E50 where a condition asks for what there is not: a class output, labels.
void check_measured(const std::vector<Condition>& conditions, bool classifier, bool labels);
// The measure of a condition that check_measured() lets pass.
double measured(const Comparison& comparison, const Condition& condition);
// What is broken, one sentence each; E50 where a condition asks for what this comparison does not
// have.
std::vector<std::string> broken(const Comparison& comparison,
                                const std::vector<Condition>& conditions);

}  // namespace tersor::eval

#include "eval/conditions.h"

#include <gtest/gtest.h>

#include "tersor/error.h"

namespace tersor::eval {
namespace {

TEST(Conditions, AreParsed) {
  const Condition c = parse_condition(" top1_drop > 0.5 % ");
  EXPECT_EQ(c.measure, "top1_drop");
  EXPECT_FALSE(c.below);
  EXPECT_DOUBLE_EQ(c.limit, 0.005);
  for (const char* bad :
       {"", "sqnr", "sqnr<", "sqnr<many", "beauty<1", "sqnr<1x", "sqnr<=20", "sqnr<nan",
        "cosine<inf", "sqnr<20%", "top1_agree<99", "sqnr>20", "max_abs<1", "top1_drop<1%"}) {
    try {
      parse_condition(bad);
      ADD_FAILURE() << bad;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), "E50");
      EXPECT_EQ(e.kind(), ErrorKind::kUsage);
    }
  }
}

TEST(Conditions, SayWhatIsBrokenAndWhere) {
  Comparison c;
  c.classifier = true;
  c.top1_agree = 0.98;
  c.outputs = {{"a", 30, 1, 0.1, true}, {"b", 12.5, 0.9, 0.4, true}};
  c.accuracy_a = Accuracy{100, 0.9, {}};
  c.accuracy_b = Accuracy{100, 0.75, {}};
  std::vector<Condition> conditions;
  for (const char* text : {"top1_agree<0.99", "top1_drop>10%", "sqnr<20", "cosine<0.95",
                           "max_abs>0.2", "top1_a<0.5", "top1_b<80%"})
    conditions.push_back(parse_condition(text));
  EXPECT_EQ(
      broken(c, conditions),
      (std::vector<std::string>{
          "top1_agree is 98 %, below 99 %", "top1_drop is 15 %, above 10 %",
          "sqnr of output 'b' is 12.5 dB, below 20 dB", "cosine of output 'b' is 0.9, below 0.95",
          "max_abs of output 'b' is 0.4, above 0.2", "top1_b is 75 %, below 80 %"}));
}

}  // namespace
}  // namespace tersor::eval

#include "eval/bench.h"

#include <gtest/gtest.h>

#include "eval/testing.h"
#include "tersor/error.h"

namespace tersor::eval {
namespace {

TEST(Bench, RefusesSizesOfUnknownDimensions) {
  const ir::Model m = residual_model();
  BenchOptions options;
  options.seconds = 0;
  for (const auto& [symbol, size] : {std::pair{"M", 3}, std::pair{"N", 0}}) {
    options.symbols = {{symbol, size}};
    try {
      bench({{"a", &m}}, options);
      ADD_FAILURE() << symbol;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), "E50");
    }
  }
  EXPECT_TRUE(bench(std::vector<Named>{}, options).empty());
}

TEST(Bench, SaysHowManySamplesARunHas) {
  Builder b;
  const ir::Model m = b.finish({b.op("Relu", {b.input("x", {4, 2})}, "y")});
  BenchOptions options;
  options.seconds = 0;
  EXPECT_EQ(bench({{"a", &m}}, options).at(0).batch, 4);
  const ir::Model r = residual_model();
  options.batch = 8;
  try {
    bench({{"a", &r}}, options, [](const ir::Model& model) { return samples(model, 3); });
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), "E26");
    EXPECT_NE(e.sentence().find("there are 3"), std::string::npos);
  }
}

TEST(Bench, GivesARowForEachModelAndThreadCount) {
  const ir::Model m = residual_model();
  BenchOptions options;
  options.threads = {1, 2};
  options.batch = 2;
  options.seconds = 0.01;
  const std::vector<Timing> rows = bench({{"a", &m}, {"b", &m}}, options);
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[1].model, "b");
  EXPECT_EQ(rows[2].threads, 2);
  for (const Timing& t : rows) EXPECT_GE(t.p90_ms, t.min_ms);
  EXPECT_FALSE(profile(m, options).empty());
}

}  // namespace
}  // namespace tersor::eval

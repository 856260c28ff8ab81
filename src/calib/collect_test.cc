#include "calib/collect.h"

#include <algorithm>

#include "calib/test_support.h"
#include "engine/plan.h"
#include "ops/testing_graph.h"

namespace tersor::calib {
namespace {

using ops::testing::Builder;
using ops::testing::random_tensor;
using ops::testing::residual_model;

using Memory = std::vector<std::map<std::string, Tensor>>;

Memory pictures(int count) {
  Memory memory;
  for (int i = 0; i < count; ++i)
    memory.push_back({{"x", random_tensor({1, 3, 8, 8}, static_cast<unsigned>(i))}});
  return memory;
}

std::unique_ptr<Dataset> open(const ir::Model& m, Memory memory) {
  DatasetSpec spec;
  spec.memory = std::move(memory);
  return open_dataset(spec, input_specs(m.graph));
}

Collected run(const ir::Model& m, const std::map<std::string, int>& points, Memory memory,
              CollectOptions options = {}) {
  const auto data = open(m, std::move(memory));
  return collect(m, points, *data, options);
}

bool warns(const Collected& c, const std::string& code) {
  return std::ranges::count(c.warnings, code, &Warning::code) == 1;
}

// What the references say of a value, one sample at a time.
stats::TensorStats expected(ir::Model m, const std::string& name, const Memory& memory) {
  m.graph.outputs = {m.graph.find(name)};
  stats::TensorStats stats;
  for (const auto& sample : memory) {
    const std::vector<Tensor> in{sample.at("x")};
    const Tensor value = name == "x" ? in[0] : ops::interpret(m.graph, m, in)[0];
    stats.add(value.data<float>());
    stats.channels.add(value.data<float>(), 1, value.dim(1), value.count() / value.dim(1));
  }
  return stats;
}

TEST(Collect, SeesWhatTheReferencesGiveForAnyBatch) {
  const ir::Model m = residual_model();
  const Memory memory = pictures(11);
  const std::map<std::string, int> points{{"x", 1}, {"c1", 1}, {"r1", 1}, {"sum", 1}, {"y", -1}};
  for (int64_t batch : {1, 4, 8, 100}) {
    const Collected c = run(m, points, memory, {.threads = 2, .batch = batch});
    EXPECT_EQ(c.statistics.samples, 11U);
    EXPECT_FALSE(c.statistics.synthetic);
    ASSERT_EQ(c.statistics.tensors.size(), points.size());
    for (const auto& [name, axis] : points) {
      const stats::TensorStats want = expected(m, name, memory),
                               &got = c.statistics.tensors.at(name);
      const float tolerance = 1e-5F * (want.range.max - want.range.min);
      EXPECT_EQ(got.range.count, want.range.count) << name;
      EXPECT_EQ(got.histogram.total(), want.histogram.total()) << name;
      EXPECT_NEAR(got.range.min, want.range.min, tolerance) << name;
      EXPECT_NEAR(got.range.max, want.range.max, tolerance) << name;
      const auto means = got.channels.means(), want_means = want.channels.means();
      ASSERT_EQ(means.size(), want_means.size()) << name;
      for (size_t k = 0; k < means.size(); ++k)
        EXPECT_NEAR(means[k], want_means[k], tolerance) << name;
    }
  }
}

TEST(Collect, DoesNotDependOnThreads) {
  // Of independent samples: each thread has some of them, also where their number is odd.
  const ir::Model m = residual_model();
  ASSERT_GT(engine::compile(m)->piece.least, 0);
  const std::map<std::string, int> points{{"x", 1}, {"c1", 1}, {"sum", 0}, {"y", -1}};
  for (int count : {1, 2, 18, 35}) {
    const Memory memory = pictures(count);
    const stats::Statistics one = run(m, points, memory, {.threads = 1, .batch = 1}).statistics;
    for (int threads : {2, 3, 5})
      for (int64_t batch : {1, 4, 16})
        EXPECT_EQ(run(m, points, memory, {.threads = threads, .batch = batch}).statistics, one)
            << count << " " << threads << " " << batch;
  }
}

TEST(Collect, KeepsTogetherWhatIsNotIndependent) {
  // The mean is over the samples of a batch: a fixed one.
  Builder b;
  const auto x = b.input("x", {4, 2});
  const auto mean = b.op("ReduceMean", {x}, "mean");
  b.last().set("axes", std::vector<int64_t>{0});
  const ir::Model m = b.finish({b.op("Sub", {x, mean}, "y")});
  Memory memory;
  for (int i = 0; i < 8; ++i)
    memory.push_back({{"x", random_tensor({1, 2}, static_cast<unsigned>(i))}});
  const stats::Statistics one = run(m, {{"y", 0}}, memory, {.threads = 1}).statistics;
  EXPECT_EQ(run(m, {{"y", 0}}, memory, {.threads = 2}).statistics, one);
}

TEST(Collect, TakesMeansOnlyWhereAsked) {
  const ir::Model m = residual_model();
  const Collected c = run(m, {{"c1", 0}}, pictures(2));
  EXPECT_EQ(c.statistics.tensors.at("c1").range.count, 2U * 4 * 8 * 8);
  EXPECT_TRUE(c.statistics.tensors.at("c1").channels.means().empty());
}

TEST(Collect, AddsUpOverParts) {
  const ir::Model m = residual_model();
  const Memory all = pictures(12);
  const std::map<std::string, int> points{{"x", 0}, {"sum", 0}};
  const CollectOptions one{.threads = 1, .batch = 1};
  stats::Statistics parts = run(m, points, {all.begin(), all.begin() + 5}, one).statistics;
  parts.merge(run(m, points, {all.begin() + 5, all.end()}, one).statistics);
  EXPECT_EQ(parts, run(m, points, all, one).statistics);
}

TEST(Collect, KeepsNoMoreForMoreSamples) {
  const ir::Model m = residual_model();
  const auto bytes = [&](int count) {
    return run(m, {{"c1", 0}}, pictures(count))
        .statistics.tensors.at("c1")
        .histogram.memory_bytes();
  };
  EXPECT_EQ(bytes(8), bytes(80));
}

TEST(Collect, FollowsLengthsThatChange) {
  Builder b;
  const auto x = b.input("x", {ir::Dim("N"), ir::Dim("length"), 4});
  const ir::Model m =
      b.finish({b.op("Tanh", {b.op("MatMul", {x, b.weight("w", {4, 3})}, "z")}, "y")});
  Memory memory;
  for (int64_t length : {2, 2, 7, 2, 1})
    memory.push_back({{"x", random_tensor({1, length, 4}, static_cast<unsigned>(length))}});
  const Collected c = run(m, {{"x", 0}, {"z", -1}}, memory);
  EXPECT_EQ(c.statistics.samples, 5U);
  EXPECT_EQ(c.statistics.tensors.at("x").range.count, 14U * 4);
  EXPECT_EQ(c.statistics.tensors.at("z").range.count, 14U * 3);
  EXPECT_EQ(c.statistics.tensors.at("z").channels.means().size(), 3U);
}

TEST(Collect, FillsAFixedBatch) {
  Builder b;
  const ir::Model m = b.finish({b.op("Relu", {b.input("x", {4, 2})}, "y")});
  Memory memory;
  for (int i = 0; i < 6; ++i)
    memory.push_back({{"x", random_tensor({1, 2}, static_cast<unsigned>(i))}});
  const Collected c = run(m, {{"x", 0}}, memory);
  EXPECT_EQ(c.statistics.samples, 6U);
  EXPECT_EQ(c.statistics.tensors.at("x").range.max, expected(m, "x", memory).range.max);
}

TEST(Collect, CountsWhatIsNotFiniteAndWarnsOnce) {
  Builder b;
  const auto root = b.op("Sqrt", {b.input("x", {ir::Dim("N"), 4})}, "root");
  const ir::Model m = b.finish({b.op("Relu", {root}, "y")});
  const Memory memory{{{"x", Tensor::of<float>({1, 4}, {4, -1, 9, -4})}},
                      {{"x", Tensor::of<float>({1, 4}, {1, 1, 1, 1})}}};
  const Collected c = run(m, {{"x", 0}, {"root", 0}}, memory);
  EXPECT_EQ(c.statistics.tensors.at("root").range.nan, 2U);
  EXPECT_EQ(c.statistics.tensors.at("root").range.max, 3);
  EXPECT_EQ(c.statistics.tensors.at("root").histogram.total(), 6U);
  EXPECT_TRUE(warns(c, "W25"));
}

TEST(Collect, WarnsOfFewAndOfRandomSamples) {
  const ir::Model m = residual_model();
  DatasetSpec spec;
  spec.path = "random:3";
  const auto data = open_dataset(spec, input_specs(m.graph));
  const Collected c = collect(m, {{"x", 0}}, *data);
  EXPECT_TRUE(c.statistics.synthetic);
  EXPECT_TRUE(warns(c, "W20"));
  EXPECT_TRUE(warns(c, "W23"));
}

TEST(Collect, StopsWhenAsked) {
  const ir::Model m = residual_model();
  for (int64_t stop : {0, 1, 17}) {
    std::vector<int64_t> seen;
    CollectOptions options{.threads = 2};
    options.advance = [&](int64_t done, int64_t total) {
      EXPECT_EQ(total, 40);
      seen.push_back(done);
      return done < stop;
    };
    try {
      run(m, {{"x", 0}}, pictures(40), options);
      ADD_FAILURE() << stop;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kInterrupted);
    }
    EXPECT_EQ(seen.back(), stop);
  }
}

TEST(Collect, NamesAnOperatorThatIsMissing) {
  Builder b;
  b.op("Strange", {b.input("x", {ir::Dim("N"), 4})}, "y");
  b.model.graph.outputs = {b.model.graph.find("y")};
  expect_error("E10", "Strange", [&] {
    run(b.model, {{"x", 0}}, {{{"x", random_tensor({1, 4}, 1)}}});
  });
}

}  // namespace
}  // namespace tersor::calib

#include "eval/compare.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "eval/accuracy.h"
#include "eval/testing.h"
#include "tersor/error.h"

namespace tersor::eval {
namespace {

ir::Model changed(ir::Model m, float factor) {
  for (ir::Value& v : m.graph.values) {
    if (v.name != "g_b") continue;
    Tensor t = Tensor::empty(DType::kFloat32, v.constant->dims());
    for (size_t i = 0; i < t.mutable_data<float>().size(); ++i)
      t.mutable_data<float>()[i] = v.constant->data<float>()[i] * factor;
    v.constant = t;
  }
  return m;
}

std::unique_ptr<calib::Dataset> rows(const ir::Model& m, int count) {
  calib::DatasetSpec spec;
  for (int i = 0; i < count; ++i)
    spec.memory.push_back({{"x", random_tensor({1, 6}, static_cast<unsigned>(i))}});
  return calib::open_dataset(spec, calib::input_specs(m.graph));
}

std::unique_ptr<calib::Dataset> labelled(const ir::Model& m, int64_t first, int count) {
  class Labels : public calib::Dataset {
   public:
    Labels(std::unique_ptr<calib::Dataset> data, int64_t first)
        : data_(std::move(data)), first_(first) {}
    std::string name() const override { return data_->name(); }
    std::string noun() const override { return data_->noun(); }
    int64_t size() const override { return data_->size(); }
    int64_t total() const override { return data_->total(); }
    bool next(calib::Sample& sample) override {
      if (!data_->next(sample)) return false;
      sample.label = first_ + sample.index;
      return true;
    }
    void reset() override { data_->reset(); }
    bool synthetic() const override { return data_->synthetic(); }
    int64_t skipped() const override { return data_->skipped(); }
    std::string summary() const override { return data_->summary(); }
    std::string guessed() const override { return data_->guessed(); }

   private:
    std::unique_ptr<calib::Dataset> data_;
    int64_t first_;
  };
  return std::make_unique<Labels>(samples(m, count), first);
}

TEST(PairedInterval, IsSureOnlyOfManySamples) {
  const auto [few_lo, few_hi] = paired_interval(10, 0, 0);
  EXPECT_LT(few_lo, -0.2);
  EXPECT_GT(few_hi, 0.2);
  const auto [lo, hi] = paired_interval(10000, 30, 60);
  EXPECT_NEAR(lo, -0.0030 - 1.96 * std::sqrt(0.009) / 100, 1e-4);
  EXPECT_NEAR(hi, -0.0030 + 1.96 * std::sqrt(0.009) / 100, 1e-4);
  for (int64_t n : {1, 2, 50}) {
    EXPECT_LE(paired_interval(n, 0, n).first, -1 + 1e-9);
    EXPECT_GE(paired_interval(n, n, 0).second, 1 - 1e-9);
  }
}

TEST(Compare, FindsAModelEqualToItself) {
  const ir::Model m = residual_model();
  const auto data = samples(m, 20);
  Options options;
  options.layers = true;
  const Comparison c = compare(m, m, *data, options);
  EXPECT_EQ(c.n, 20);
  EXPECT_TRUE(c.passed);
  EXPECT_TRUE(c.classifier);
  EXPECT_DOUBLE_EQ(c.top1_agree, 1);
  EXPECT_TRUE(std::isinf(c.outputs.at(0).sqnr_db));
}

TEST(Compare, CountsWhatChanged) {
  const ir::Model m = residual_model();
  const auto data = samples(m, 30);
  Options options;
  options.fail_if = {"top1_agree<0.999", "sqnr<300"};
  const Comparison c = compare(m, changed(m, -3), *data, options);
  EXPECT_LT(c.top1_agree, 1);
  EXPECT_FALSE(c.passed);
  EXPECT_EQ(c.broken.size(), 2U);
  EXPECT_EQ(c.samples.size(), 20U);
  EXPECT_GT(c.max_probability_change, 0);
}

TEST(Compare, FailsWhereOnlyTheOtherIsNotFinite) {
  const ir::Model m = residual_model();
  const auto data = samples(m, 3);
  const Comparison c = compare(m, changed(m, std::numeric_limits<float>::infinity()), *data, {});
  EXPECT_FALSE(c.passed);
  EXPECT_FALSE(c.outputs.at(0).finite);
}

TEST(Compare, RefusesModelsThatDoNotFit) {
  const ir::Model m = residual_model();
  ir::Model other = m;
  for (ir::Value& v : other.graph.values)
    if (v.name == "x") v.name = "z";
  const auto data = samples(m, 1);
  EXPECT_THROW(compare(m, other, *data, {}), Error);
}

TEST(Compare, JudgesBothModelsByTheScoresOfTheOriginal) {
  const ir::Model a = classifier(false), b = classifier(true);
  const auto data = rows(a, 20);
  const Comparison c = compare(a, b, *data, {});
  // Probabilities that do not add up to 1 are no scores: they stay within half a step.
  EXPECT_GT(c.max_probability_change, 0);
  EXPECT_LT(c.max_probability_change, 0.0201);
  for (const SampleComparison& s : c.samples) EXPECT_NEAR(s.probability_a, s.probability_b, 0.0201);
}

TEST(Compare, WarnsOfConstantAndBadOutputs) {
  Builder b;
  const auto x = b.input("x", {ir::Dim("N"), 6});
  const auto zero = b.op("Mul", {x, b.constant("none", Tensor::scalar(0.0F))}, "zero");
  const ir::Model m = b.finish({zero, b.op("Sqrt", {x}, "root")});
  const auto data = rows(m, 3);
  const Comparison c = compare(m, m, *data, {});
  ASSERT_EQ(c.warnings.size(), 2U);
  EXPECT_EQ(c.warnings[0].code, "W25");
  EXPECT_EQ(c.warnings[1].code, "W28");
  EXPECT_NE(c.warnings[1].text.find("'zero'"), std::string::npos);
}

TEST(Compare, RefusesEarlyWhatCannotBeMeasured) {
  const ir::Model m = residual_model();
  const auto data = samples(m, 40);
  int64_t done = 0;
  Options options;
  options.fail_if = {"top1_drop>1%"};
  options.advance = [&](int64_t now, int64_t) {
    done = now;
    return true;
  };
  try {
    compare(m, m, *data, options);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), "E50");
    EXPECT_EQ(done, 0);
  }
}

TEST(Compare, StopsWhenAsked) {
  const ir::Model m = residual_model();
  const auto data = samples(m, 40);
  Options options;
  options.advance = [](int64_t done, int64_t) { return done < 16; };
  try {
    compare(m, m, *data, options);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kInterrupted);
  }
}

TEST(Evaluate, NeedsLabels) {
  const ir::Model m = residual_model();
  const auto data = samples(m, 2);
  try {
    evaluate(m, *data, {});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), "E22");
  }
}

TEST(Evaluate, CountsTopOneAndWarnsOfLabelsOutside) {
  const ir::Model m = residual_model();
  const auto inside = labelled(m, 0, 5);
  const Evaluation e = evaluate(m, *inside, {});
  EXPECT_EQ(e.accuracy.n, 5);
  EXPECT_GE(e.accuracy.top1, 0);
  EXPECT_LE(e.accuracy.top1, 1);
  EXPECT_FALSE(e.accuracy.top5);
  EXPECT_TRUE(e.warnings.empty());
  const auto outside = labelled(m, 3, 5);
  const Evaluation bad = evaluate(m, *outside, {});
  ASSERT_EQ(bad.warnings.size(), 1U);
  EXPECT_EQ(bad.warnings[0].code, "W27");
  EXPECT_NE(bad.warnings[0].text.find("3 of 5"), std::string::npos);
}

TEST(Compare, GivesAccuracyAndItsIntervalWithLabels) {
  const ir::Model m = residual_model();
  const auto data = labelled(m, 0, 5);
  Options options;
  options.fail_if = {"top1_drop>0.5%"};
  const Comparison c = compare(m, m, *data, options);
  ASSERT_TRUE(c.accuracy_a && c.accuracy_b && c.top1_delta_ci95);
  EXPECT_EQ(c.accuracy_a->top1, c.accuracy_b->top1);
  EXPECT_LT(c.top1_delta_ci95->first, 0);
  EXPECT_GT(c.top1_delta_ci95->second, 0);
  EXPECT_TRUE(c.passed);
}

// y = 2 x on [N, 6], rounded to float16 or not, the input in `type`.
ir::Model doubled(DType type, float factor) {
  Builder b;
  const auto x = b.input("x", {ir::Dim("N"), 6});
  b.model.graph.values[x].type.elem = type;
  auto wide = x;
  if (type != DType::kFloat32) {
    wide = b.op("Cast", {x}, "wide");
    b.last().set("to", int64_t{1});
  }
  return b.finish({b.op("Mul", {wide, b.constant("two", Tensor::scalar(factor))}, "y")});
}

TEST(Compare, GivesHalvesToAModelThatTakesThem) {
  const ir::Model m = doubled(DType::kFloat32, 2);
  const Comparison c = compare(m, doubled(DType::kFloat16, 2), *rows(m, 4), {});
  EXPECT_TRUE(c.passed);
  EXPECT_GT(c.outputs[0].sqnr_db, 60);
  EXPECT_LT(c.outputs[0].sqnr_db, 90);
}

TEST(Compare, RefusesOutputsThatHaveLittleToDoWithTheOriginals) {
  const ir::Model m = doubled(DType::kFloat32, 2);
  const Comparison c = compare(m, doubled(DType::kFloat32, 4), *rows(m, 4), {});
  EXPECT_FALSE(c.passed);
  ASSERT_FALSE(c.broken.empty());
  EXPECT_NE(c.broken.back().find("below 5 dB"), std::string::npos);
  Options options;
  options.fail_if = {"sqnr<-1"};
  EXPECT_TRUE(compare(m, doubled(DType::kFloat32, 4), *rows(m, 4), options).passed);
}

TEST(Compare, GoesOnWhereAnOperatorFindsAnotherNumber) {
  const auto finder = [](float limit) {
    Builder b;
    const auto x = b.input("x", {1, 6});
    const auto found = b.op(
        "NonZero",
        {b.op("Relu", {b.op("Sub", {x, b.constant("limit", Tensor::scalar(limit))}, "d")}, "r")},
        "found");
    return b.finish({b.op("Relu", {x}, "y"), found});
  };
  const ir::Model m = finder(0);
  const Comparison c = compare(m, finder(0.5F), *rows(m, 6), {});
  EXPECT_TRUE(c.passed);
  EXPECT_TRUE(std::ranges::any_of(c.warnings, [](const Warning& w) { return w.code == "W29"; }));
}

}  // namespace
}  // namespace tersor::eval

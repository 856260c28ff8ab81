#include "eval/form_errors.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/session.h"
#include "eval/compare.h"
#include "eval/sensitivity.h"
#include "eval/testing.h"
#include "tersor/error.h"

namespace tersor::eval {
namespace {

double whole(const ir::Model& a, const ir::Model& b) {
  const auto data = samples(a, 10);
  return compare(a, b, *data, {}).outputs[0].sqnr_db;
}

struct Quantized {
  ir::Model model = residual_model();
  quant::Recipe recipe{};
  stats::Statistics statistics = collected();
  quant::Decisions decisions = quant::decide(model, statistics, recipe);
  Quantizable quantizable() const { return {model, statistics, recipe, decisions}; }

  stats::Statistics collected() const {
    const auto data = samples(model, 16);
    return calib::collect(model, quant::points(model, recipe), *data).statistics;
  }
};

TEST(FormErrors, OfPartsAreThoseOfWholes) {
  const Quantized r;
  const ir::Model all = quant::apply(r.model, r.decisions);
  const std::vector<std::string> layers{"c1", "c2", "y"};
  const auto without = [&](size_t i) {
    return quant::apply(r.model, leaving(r.quantizable(), {{layers[i], "test"}}));
  };
  for (const size_t bytes : {size_t{1}, size_t{1} << 28}) {  // batch by batch, and at once
    const auto data = samples(r.model, 10);
    FormOptions options;
    options.kept_bytes = bytes;
    const FormErrors errors = form_errors(r.model, {all, layers.size(), without}, *data, options);
    EXPECT_EQ(errors.samples, 10);
    EXPECT_NEAR(errors.base, whole(r.model, all), 0.01);
    for (size_t i = 0; i < layers.size(); ++i)
      EXPECT_NEAR(errors.forms[i], whole(r.model, without(i)), 0.01) << layers[i];
  }
}

TEST(FormErrors, OfTheBaseItselfAreNone) {
  const ir::Model m = residual_model();
  const auto data = samples(m, 4);
  const FormErrors errors = form_errors(m, {m, 1, [&](size_t) { return m; }}, *data, {});
  EXPECT_EQ(errors.base, HUGE_VAL);
  EXPECT_EQ(errors.forms[0], HUGE_VAL);
}

TEST(FormErrors, StopWhenTheyAreTold) {
  const ir::Model m = residual_model();
  const auto data = samples(m, 4);
  FormOptions options;
  options.advance = [](int64_t, int64_t) { return false; };
  EXPECT_THROW(form_errors(m, {m, 0, {}}, *data, options), Error);
}

// Every channel doubled, and put together again by large weights that cancel each other.
ir::Model cancelling_model() {
  Builder b;
  const auto x = b.input("x", {ir::Dim("N"), 3, 8, 8});
  Tensor twice = Tensor::zeros(DType::kFloat32, {6, 3, 1, 1}),
         once = Tensor::zeros(DType::kFloat32, {3, 6, 1, 1});
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t half : {0, 3})
      twice.mutable_data<float>()[static_cast<size_t>((c + half) * 3 + c)] = 1;
    once.mutable_data<float>()[static_cast<size_t>(c * 6 + c)] = 100.5F;
    once.mutable_data<float>()[static_cast<size_t>(c * 6 + c + 3)] = -99.5F;
  }
  const auto doubled = b.op("Conv", {b.conv(x, 3, 3, "c1"), b.constant("twice_w", twice)}, "twice");
  const auto single = b.op("Conv", {doubled, b.constant("once_w", once)}, "once");
  return b.finish({b.conv(single, 3, 4, "y")});
}

TEST(LayerCosts, FindTheLayerThatHurts) {
  const Quantized r{.model = cancelling_model()};
  const Costs costs = layer_costs(r.quantizable(), [&] { return samples(r.model, 8); }, {});
  ASSERT_EQ(costs.layers.size(), 4U);
  EXPECT_EQ(costs.samples, 8);
  for (const LayerCost& cost : costs.layers) {
    const bool bad = cost.decision->output == "once";
    EXPECT_EQ(cost.alone_db < 15, bad) << cost.decision->output << ' ' << cost.alone_db;
    EXPECT_EQ(cost.without_db > costs.all_db + 6, bad)
        << cost.decision->output << ' ' << cost.without_db << ' ' << costs.all_db;
  }
}

}  // namespace
}  // namespace tersor::eval

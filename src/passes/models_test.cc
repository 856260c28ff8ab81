// The committed models through all passes: each is run before and after, on its committed inputs.
#include <algorithm>
#include <filesystem>

#include "onnx/onnx.h"
#include "passes/raise_opset.h"
#include "passes/testing.h"

namespace tersor::passes::testing {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> model_folders() {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(fs::path(TERSOR_SOURCE_DIR) / "tests/models"))
    if (fs::exists(entry.path() / "model.onnx")) folders.push_back(entry.path());
  std::ranges::sort(folders);
  return folders;
}

// All files of that kind ("input", "output"), one list for each data set.
std::vector<std::vector<Tensor>> data_sets(const fs::path& folder, const std::string& kind,
                                           size_t count) {
  std::vector<std::vector<Tensor>> sets;
  for (int k = 0; fs::exists(folder / ("test_data_set_" + std::to_string(k))); ++k) {
    auto& set = sets.emplace_back();
    for (size_t i = 0; i < count; ++i)
      set.push_back(onnx::read_tensor(folder / ("test_data_set_" + std::to_string(k)) /
                                      (kind + "_" + std::to_string(i) + ".pb")));
  }
  return sets;
}

class Models : public ::testing::TestWithParam<fs::path> {
 protected:
  void SetUp() override {
    model_ = onnx::read(GetParam() / "model.onnx");
    sets_ = data_sets(GetParam(), "input", model_.graph.required_inputs().size());
    if (model_.functions.empty()) {
      for (const auto& inputs : sets_) want_.push_back(run(model_, inputs));
    } else {
      want_ = data_sets(GetParam(), "output", model_.graph.outputs.size());
      exact_ = 1e-5;
    }
  }
  void expect_same_results(const ir::Model& model, double tolerance) const {
    for (size_t k = 0; k < sets_.size(); ++k) {
      const std::vector<Tensor> got = run(model, sets_[k]);
      ASSERT_EQ(got.size(), want_[k].size());
      for (size_t i = 0; i < got.size(); ++i) EXPECT_LE(difference(got[i], want_[k][i]), tolerance);
    }
  }

  ir::Model model_;
  double exact_ = 0;  // stored results are those of another runtime
  std::vector<std::vector<Tensor>> sets_, want_;
};

TEST_P(Models, AreSimplified) {
  for (int64_t ceiling : {int64_t{0}, int64_t{17}, kNewestOpset}) {
    SCOPED_TRACE(ceiling);
    const Options options{.opset_ceiling = ceiling};
    if (sets_.empty()) {
      ir::Model copy = model_;
      simplify(copy, options);
      EXPECT_EQ(simplify(copy, options).steps, 0);
      continue;
    }
    const Checked done = check(model_, options, sets_[0]);
    expect_same_results(done.model, 1e-5);
  }
}

TEST_P(Models, AreRaised) {
  for (int64_t version : {int64_t{13}, int64_t{17}, kNewestOpset}) {
    SCOPED_TRACE(version);
    ir::Model raised = model_;
    const Raised result = raise_opset(raised, version);
    ASSERT_TRUE(result.done) << result.reason;
    ir::verify(raised);
    EXPECT_EQ(raised.opset(), std::max(version, model_.opset()));
    EXPECT_GE(raised.ir_version, ir_version_for(raised.opset()));
    expect_same_results(raised, exact_);
    const ir::Model read = onnx::read_bytes(onnx::write_bytes(raised), ".");
    expect_same_results(read, exact_);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Models, ::testing::ValuesIn(model_folders()),
                         [](const auto& info) { return info.param.filename().string(); });

}  // namespace
}  // namespace tersor::passes::testing

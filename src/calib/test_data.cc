// ONNX test data as a source: input_0.pb, input_1.pb, ... in one folder per sample.
#include <algorithm>

#include "base/error.h"
#include "calib/shapes.h"
#include "calib/source.h"
#include "onnx/onnx.h"

namespace tersor::calib {
namespace {

class TestData : public Source {
 public:
  TestData(std::vector<fs::path> folders, const Inputs& inputs)
      : folders_(std::move(folders)), inputs_(inputs) {}
  int64_t size() const override { return static_cast<int64_t>(folders_.size()); }
  std::string item_name(int64_t i) const override {
    return folders_[static_cast<size_t>(i)].filename().string();
  }
  void read(int64_t i, Sample& sample) override {
    const fs::path& folder = folders_[static_cast<size_t>(i)];
    sample.source = folder.string();
    for (size_t k = 0; k < inputs_.size(); ++k) {
      const fs::path path = folder / fmt::format("input_{}.pb", k);
      sample.inputs.emplace_back(
          inputs_[k].name, fit(onnx::read_tensor(path), inputs_[k], i + 1, path.string(), false));
    }
  }

 private:
  std::vector<fs::path> folders_;
  Inputs inputs_;
};

}  // namespace

std::unique_ptr<Source> open_test_data(const fs::path& folder, const Inputs& inputs) {
  constexpr std::string_view kPrefix = "test_data_set_";
  std::error_code ignored;
  std::vector<fs::path> folders;
  if (fs::exists(folder / "input_0.pb", ignored)) {
    folders.push_back(folder);
  } else {
    for (fs::directory_iterator it(folder, ignored), end; !ignored && it != end;
         it.increment(ignored))
      if (it->path().filename().string().starts_with(kPrefix) &&
          fs::exists(it->path() / "input_0.pb", ignored))
        folders.push_back(it->path());
    // By number: 2 before 10.
    std::ranges::sort(folders, {}, [](const fs::path& p) {
      const std::string name = p.filename().string();
      return std::pair(name.size(), name);
    });
  }
  if (folders.empty()) return nullptr;
  return std::make_unique<TestData>(std::move(folders), inputs);
}

}  // namespace tersor::calib

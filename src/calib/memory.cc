// Samples that a program holds.
#include "base/error.h"
#include "calib/shapes.h"
#include "calib/source.h"

namespace tersor::calib {
namespace {

class Memory : public Source {
 public:
  Memory(std::vector<std::map<std::string, Tensor>> samples, Inputs inputs)
      : samples_(std::move(samples)), inputs_(std::move(inputs)) {
    summary = fmt::format("{} in memory", noun);
  }
  int64_t size() const override { return static_cast<int64_t>(samples_.size()); }
  void read(int64_t index, Sample& sample) override {
    const auto& given = samples_[static_cast<size_t>(index)];
    sample.source = fmt::format("sample {}", index + 1);
    for (const InputSpec& input : inputs_) {
      // A single tensor without a name feeds the only input.
      auto it = given.find(input.name);
      if (it == given.end() && inputs_.size() == 1 && given.size() == 1) it = given.begin();
      if (it == given.end() || !it->second.defined())
        base::fail_input("E20", "calibration item {} has no value for input {}", index + 1,
                         base::quoted(input.name));
      sample.inputs.emplace_back(input.name,
                                 fit(it->second, input, index + 1, sample.source, false));
    }
  }

 private:
  std::vector<std::map<std::string, Tensor>> samples_;
  Inputs inputs_;
};

}  // namespace

std::unique_ptr<Source> open_memory(std::vector<std::map<std::string, Tensor>> samples,
                                    const Inputs& inputs) {
  return std::make_unique<Memory>(std::move(samples), inputs);
}

}  // namespace tersor::calib

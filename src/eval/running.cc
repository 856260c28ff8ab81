#include "eval/running.h"

namespace tersor::eval {

std::unique_ptr<engine::Session> session_of(const ir::Model& model, std::set<std::string> keep,
                                            int threads) {
  engine::CompileOptions compile;
  compile.keep = std::move(keep);
  engine::SessionOptions options;
  options.threads = threads;
  return std::make_unique<engine::Session>(model, compile, options);
}

std::vector<Tensor> take_inputs(calib::Batch& batch) {
  std::vector<Tensor> values;
  for (auto& [name, tensor] : batch.inputs) values.push_back(std::move(tensor));
  return values;
}

}  // namespace tersor::eval

// run-pb for tests, in one of two ways: `tersor_run_case [--reference] run-pb MODEL IN_DIR OUT_DIR`
// runs the model in the engine, or node by node by the operators' references. Exit codes are those
// of the command line.
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/session.h"
#include "onnx/onnx.h"
#include "ops/infer.h"

namespace {

namespace fs = std::filesystem;
using namespace tersor;

void require_tensor(const ir::Value& value) {
  if (value.type.kind == ir::Type::Kind::kOther)
    base::fail_unsupported("value {} is no tensor", base::quoted(value.name));
}

void run(const fs::path& file, const fs::path& in, const fs::path& out, bool by_reference) {
  const ir::Model model = onnx::read(file);
  std::vector<Tensor> inputs;
  for (ir::ValueId id : model.graph.outputs) require_tensor(model.graph.values[id]);
  for (size_t i = 0; i < model.graph.inputs.size(); ++i) {
    const ir::Value& value = model.graph.values[model.graph.inputs[i]];
    require_tensor(value);
    if (!value.constant)
      inputs.push_back(onnx::read_tensor(in / ("input_" + std::to_string(i) + ".pb")));
  }
  std::vector<Tensor> outputs;
  if (by_reference) {
    outputs = ops::interpret(model.graph, model, inputs);
  } else {
    outputs = engine::Session(engine::compile(model)).run(inputs);
  }
  for (size_t i = 0; i < outputs.size(); ++i)
    onnx::write_tensor(outputs[i], out / ("output_" + std::to_string(i) + ".pb"),
                       model.graph.values[model.graph.outputs[i]].name, true);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  const bool by_reference = !words.empty() && words[0] == "--reference";
  if (by_reference) words.erase(words.begin());
  if (words.size() != 4 || words[0] != "run-pb") return 2;
  try {
    run(words[1], words[2], words[3], by_reference);
    return 0;
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.describe().c_str());
    return static_cast<int>(error.kind());
  }
}

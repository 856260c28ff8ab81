#include <fmt/format.h>

#include <filesystem>

#include "render.h"

namespace tersor::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string model, in, out;
};

int run_pb(const Options& o, const Common& common) {
  if (!fs::is_directory(o.in))
    throw Error(ErrorKind::kInput, "E01", fmt::format("no such folder: '{}'", printable(o.in)));
  if (!fs::is_directory(o.out))
    throw Error(ErrorKind::kOutput, "E41", fmt::format("no such folder: '{}'", printable(o.out)),
                "create it first");
  const Model model = Model::load(o.model);
  // Before any tensor is read: what cannot run is said first.
  SessionOptions options;
  options.threads = common.threads;
  const Session session(model, options);
  const ModelInfo info = model.info();
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < info.inputs.size(); ++i) {
    if (info.inputs[i].dtype == DType::kUndefined)
      throw Error(ErrorKind::kUnsupported, "E11",
                  fmt::format("input '{}' is a sequence, optional or map; the engine runs tensors",
                              printable(info.inputs[i].name)));
    inputs.push_back(load_tensor((fs::path(o.in) / fmt::format("input_{}.pb", i)).string()));
  }
  const std::vector<Tensor> outputs = session.run(inputs);
  for (size_t i = 0; i < outputs.size(); ++i)
    save_tensor(outputs[i], (fs::path(o.out) / fmt::format("output_{}.pb", i)).string(),
                i < info.outputs.size() ? info.outputs[i].name : "", true);
  return 0;
}

}  // namespace

std::function<int()> declare_run_pb(CLI::App& app, Common& common) {
  auto o = std::make_shared<Options>();
  app.add_option("model", o->model, "ONNX file")->required();
  app.add_option("in", o->in, "folder with input_0.pb, ...")->required();
  app.add_option("out", o->out, "folder that output_0.pb, ... go to")->required();
  add_threads(app, common);
  return [o, &common] { return run_pb(*o, common); };
}

}  // namespace tersor::cli

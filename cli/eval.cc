#include <fmt/format.h>

#include "data_options.h"
#include "progress.h"
#include "render.h"

namespace tersor::cli {
namespace {

struct Options {
  std::string model;
  DataOptions data;
  int64_t samples = 0;
};

int eval_verb(Options& o, const Common& common) {
  if (!o.data.given())
    fail_usage("eval needs samples: pass --data", "-d FOLDER takes pictures or arrays");
  if (o.data.data.labels_path.empty())
    fail_usage("accuracy needs labels: pass --labels",
               "IDX, .npy, or CSV with a header file,label");
  const Model model = Model::load(o.model);
  ProgressBar bar(common.quiet);
  o.data.data.take(o.samples);
  const Evaluation e = evaluate(model, o.data.data, common.threads, bar.callback());
  print_warnings(e.warnings, common);
  if (common.json) {
    Json j = report(common);
    j["model"] = {{"path", o.model}, {"sha256", model.sha256()}, {"bytes", model.file_bytes()}};
    j["n"] = e.accuracy.n;
    j["top1"] = e.accuracy.top1;
    if (e.accuracy.top5) j["top5"] = *e.accuracy.top5;
    j["seconds"] = e.seconds;
    j["warnings"] = to_json(e.warnings);
    j["exit"] = 0;
    print(j);
    return 0;
  }
  std::string text =
      fmt::format("{}\n  top-1  {}\n", printable(o.model), percent(e.accuracy.top1, 2));
  if (e.accuracy.top5) text += fmt::format("  top-5  {}\n", percent(*e.accuracy.top5, 2));
  text += fmt::format("  {} samples in {:.1f} s; {}\n", e.accuracy.n, e.seconds, e.data_summary);
  print(text);
  return 0;
}

}  // namespace

std::function<int()> declare_eval(CLI::App& app, Common& common) {
  auto o = std::make_shared<Options>();
  app.add_option("model", o->model, "ONNX file")->required();
  add_data(app, o->data, true);
  app.add_option("-n,--samples", o->samples, "samples, spread over the data; 0: all")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
  add_threads(app, common);
  return [o, &common] { return eval_verb(*o, common); };
}

}  // namespace tersor::cli

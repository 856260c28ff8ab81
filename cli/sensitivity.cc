#include <fmt/format.h>

#include "progress.h"
#include "recipe_options.h"
#include "search.h"

namespace tersor::cli {
namespace {

struct Options {
  std::string model;
  RecipeOptions recipe;
  int64_t on = 16;
};

int sensitivity_verb(Options& o, const Common& common) {
  finish_recipe(o.recipe, common);
  if (!o.recipe.data.given())
    fail_usage("errors are measured on samples of your own data: pass --data",
               "-d FOLDER takes pictures or arrays; -d random:32 tries it on noise");
  const Model model = Model::load(o.model);
  ProgressBar bar(common.quiet);
  o.recipe.quantize.progress = bar.callback();
  const Sensitivity s = sensitivity(model, o.recipe.data.data, o.recipe.quantize, o.on);
  print_warnings(s.warnings, common);
  if (common.json) {
    Json j = report(common);
    j["model"] = {{"path", o.model}, {"sha256", model.sha256()}, {"bytes", model.file_bytes()}};
    j["sensitivity"] = to_json(s);
    j["warnings"] = to_json(s.warnings);
    j["exit"] = 0;
    print(j);
    return 0;
  }
  print(fmt::format("SQNR of the worst output on {} samples; {} with all layers in int8\n",
                    s.samples, decibel(s.all_db)) +
        sensitivity_text(s) +
        fmt::format("next:  tersor quantize {} -d {} --max-drop 1%\n", printable(o.model),
                    printable(o.recipe.data.data.path)));
  return 0;
}

}  // namespace

std::function<int()> declare_sensitivity(CLI::App& app, Common& common) {
  auto o = std::make_shared<Options>();
  app.add_option("model", o->model, "ONNX file, - for standard input")->required();
  add_recipe(app, o->recipe);
  app.add_option("--on", o->on, "other samples to measure on (16)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  add_threads(app, common);
  return [o, &common] { return sensitivity_verb(*o, common); };
}

}  // namespace tersor::cli

#include <fmt/format.h>

#include "data_options.h"
#include "progress.h"
#include "render.h"

namespace tersor::cli {
namespace {

struct Options {
  std::string a, b;
  DataOptions data;
  CompareOptions compare;
  int64_t samples = 0;
  std::string report;
  bool force = false;
};

int compare_verb(Options& o, const Common& common) {
  if (!o.data.given())
    fail_usage("compare needs samples: pass --data", "-d FOLDER takes pictures or arrays");
  ReportFiles files;
  if (!o.report.empty()) {
    files = report_files(o.report, o.force);
    o.compare.layers = true;
    o.compare.most_changed = 20;
  }
  const Model a = Model::load(o.a), b = Model::load(o.b);
  ProgressBar bar(common.quiet);
  o.compare.threads = common.threads;
  o.compare.progress = bar.callback();
  o.data.data.take(o.samples);
  const Comparison c = compare(a, b, o.data.data, o.compare);
  print_warnings(c.warnings, common);
  const int code = c.passed ? 0 : 1;
  Json j = report(common);
  if (common.json || !o.report.empty()) {
    j["model"] = {{"path", o.a}, {"sha256", a.sha256()}, {"bytes", a.file_bytes()}};
    j["result"] = {{"path", o.b}, {"sha256", b.sha256()}, {"bytes", b.file_bytes()}};
    j["compare"] = to_json(c);
    j["warnings"] = to_json(c.warnings);
    j["exit"] = code;
  }
  if (!o.report.empty())
    write_report(files,
                 {.original = {o.a, a.sha256(), a.file_bytes()},
                  .compressed = {o.b, b.sha256(), b.file_bytes()},
                  .command = common.command,
                  .recipe = explain(b).recipe,
                  .quantized = nullptr,
                  .comparison = &c,
                  .timings = {},
                  .warnings = c.warnings},
                 j, o.force);
  if (common.json) {
    print(j);
    return code;
  }
  std::string text = comparison_text(c, true);
  for (const std::string& sentence : c.broken) text += "not met: " + printable(sentence) + "\n";
  if (c.passed) text += fmt::format("ok: {} samples\n", c.n);
  print(text);
  return code;
}

}  // namespace

std::function<int()> declare_compare(CLI::App& app, Common& common) {
  auto o = std::make_shared<Options>();
  app.add_option("original", o->a, "ONNX file")->required();
  app.add_option("compressed", o->b, "ONNX file")->required();
  add_data(app, o->data, true);
  app.add_option("-n,--samples", o->samples, "samples, spread over the data; 0: all")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
  app.add_flag("--layers", o->compare.layers, "error of every layer");
  app.add_option("--show", o->compare.keep_samples, "samples to list (20)")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
  app.add_option("--fail-if", o->compare.fail_if,
                 "exit 1 if so: top1_agree<0.99, top1_drop>0.5%, sqnr<20, cosine<0.99, max_abs>0.1 "
                 "(top1_agree<0.95 and sqnr<5)");
  app.add_option("--report", o->report,
                 "a page that shows all of it, FILE.html, and its JSON twin beside it");
  app.add_flag("--force", o->force, "replace existing files");
  add_threads(app, common);
  return [o, &common] { return compare_verb(*o, common); };
}

}  // namespace tersor::cli

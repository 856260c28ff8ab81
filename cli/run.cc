#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data_options.h"
#include "render.h"

namespace tersor::cli {
namespace {

struct Options {
  std::string model, input, save;
  DataOptions data;
  int64_t top = 5;
  bool force = false;
};

// Class scores of one sample as probabilities; as they are where they are that already.
std::vector<double> probabilities(const std::vector<float>& scores) {
  double sum = 0;
  bool already = true;
  for (float s : scores) {
    sum += static_cast<double>(s);
    already &= s >= 0;
  }
  std::vector<double> p(scores.begin(), scores.end());
  if (already && std::fabs(sum - 1) < 1e-3) return p;
  const double top = *std::ranges::max_element(p);
  double total = 0;
  for (double& v : p) total += v = std::exp(v - top);
  for (double& v : p) v /= total;
  return p;
}

int run_verb(Options& o, const Common& common) {
  if (!o.save.empty()) check_output(o.save, o.force);
  const Model model = Model::load(o.model);
  const ModelInfo info = model.info();
  std::string path = o.input;
  for (const Port& p : info.inputs)
    if (path.starts_with(p.name + "=")) {
      if (info.inputs.size() > 1)
        fail_usage("the model has several inputs", "give one .npz file with an array for each");
      path = path.substr(p.name.size() + 1);
      break;
    }
  o.data.data.path = path;
  const std::vector<Tensors> inputs = samples(o.data.data, model, 1);
  SessionOptions options;
  options.threads = common.threads;
  const Tensors outputs = Session(model, options).run(inputs.at(0));
  if (!o.save.empty()) save_npz(outputs, o.save, o.force);
  Json j = report(common);
  j["outputs"] = Json::array();
  std::string text;
  for (const auto& [name, t] : outputs) {
    Json out{{"name", name}, {"dtype", tensor::name(t.dtype())}, {"shape", t.dims()}};
    text += fmt::format("{}  {} {}\n", printable(name), tensor::name(t.dtype()),
                        tensor::to_string(t.dims()));
    const bool classes =
        tensor::is_float(t.dtype()) && t.rank() == 2 && t.dim(0) == 1 && t.dim(1) > 1;
    if (classes) {
      const Tensor wide = tensor::to_float32(t);
      const auto scores = wide.data<float>();
      const std::vector<double> p = probabilities({scores.begin(), scores.end()});
      std::vector<size_t> order(p.size());
      std::iota(order.begin(), order.end(), 0);
      const auto k = std::min<size_t>(static_cast<size_t>(o.top), p.size());
      std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k), order.end(),
                        [&](size_t a, size_t b) { return p[a] != p[b] ? p[a] > p[b] : a < b; });
      Table table({"class", "probability", "score"});
      out["top"] = Json::array();
      for (size_t i = 0; i < k; ++i) {
        const size_t c = order[i];
        table.add(
            {fmt::format("{}", c), fmt::format("{:.4f}", p[c]), fmt::format("{:.4g}", scores[c])});
        out["top"].push_back({{"label", c}, {"probability", number(p[c])}});
      }
      text += table.text();
    } else if (t.count() > 0 && t.dtype() != DType::kString) {
      std::string values;
      for (int64_t i = 0; i < std::min<int64_t>(t.count(), 8); ++i)
        values += fmt::format("{}{:.6g}", i ? " " : "", tensor::as_double(t, i));
      text += "  " + values + (t.count() > 8 ? " ..." : "") + "\n";
    }
    j["outputs"].push_back(std::move(out));
  }
  j["exit"] = 0;
  if (common.json)
    print(j);
  else
    print(text);
  return 0;
}

}  // namespace

std::function<int()> declare_run(CLI::App& app, Common& common) {
  auto o = std::make_shared<Options>();
  app.add_option("model", o->model, "ONNX file")->required();
  app.add_option("-i,--input", o->input, "picture, .npy, .npz (one array per input), or NAME=FILE")
      ->required();
  app.add_option("-k,--top", o->top, "classes to print (5)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30));
  app.add_option("--save", o->save, "write all outputs to this .npz");
  app.add_flag("--force", o->force, "replace an existing file");
  add_data(app, o->data, false);
  app.remove_option(app.get_option("--data"));
  add_threads(app, common);
  return [o, &common] { return run_verb(*o, common); };
}

}  // namespace tersor::cli

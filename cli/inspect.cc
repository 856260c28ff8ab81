#include <fmt/format.h>

#include "render.h"

namespace tersor::cli {
namespace {

struct Options {
  std::string model, target;
  bool layers = false, plan = false;
};

std::string head(const Options& o, const Model& model, const ModelInfo& info) {
  std::string text =
      fmt::format("{}   ONNX IR {}, opset {}{}   {}\n", printable(o.model), info.ir_version,
                  info.opset, info.producer.empty() ? "" : ", from " + printable(info.producer),
                  bytes_text(model.file_bytes()));
  Table ports({"", "name", "type", "shape"});
  ports.left(1).left(2).left(3);
  for (const Port& p : info.inputs)
    ports.add({"in", printable(p.name), tensor::name(p.dtype), printable(p.shape_text)});
  for (const Port& p : info.outputs)
    ports.add({"out", printable(p.name), tensor::name(p.dtype), printable(p.shape_text)});
  text += ports.text();
  text += fmt::format("  {} nodes   {} parameters   {} MAC per sample\n", info.nodes,
                      count_text(info.parameters), count_text(info.macs));
  return text;
}

std::string operators(const ModelInfo& info) {
  Table t({"operator", "count", "params", "MAC", "int8"});
  t.left(4);
  for (const OperatorCount& c : info.operators)
    t.add({printable(c.op), fmt::format("{}", c.count),
           c.parameters ? count_text(c.parameters) : "-",
           c.macs > 0 && info.macs > 0
               ? percent(static_cast<double>(c.macs) / static_cast<double>(info.macs))
               : "-",
           c.int8});
  return t.text();
}

std::string verdict(const ModelInfo& info) {
  std::string text;
  if (info.quantize_nodes > 0)
    text = fmt::format("already quantized: {} quantization nodes\n", info.quantize_nodes);
  else
    text =
        fmt::format("quantizable: {} of {} layers with weights\n", info.quantizable, info.weighted);
  for (const std::string& op : info.unsupported)
    text += "not supported by the engine: " + printable(op) + "\n";
  return text;
}

Json plan_json(const PlanInfo& plan) {
  Json steps = Json::array();
  for (const PlanStep& s : plan.steps)
    steps.push_back({{"name", s.name},
                     {"op", s.op},
                     {"kernel", s.kernel},
                     {"type", s.type},
                     {"layout", s.layout},
                     {"note", s.note},
                     {"why", s.why}});
  return {{"isa", plan.isa},
          {"steps", std::move(steps)},
          {"integer_steps", plan.integer_steps},
          {"reference_steps", plan.reference_steps}};
}

std::string plan_text(const PlanInfo& plan) {
  Table t({"step", "operator", "type", "kernel", "layout", "", "why"});
  t.left(1).left(2).left(3).left(4).left(5).left(6);
  for (const PlanStep& s : plan.steps)
    t.add({printable(s.name), printable(s.op), s.type, s.kernel, s.layout, printable(s.note),
           s.why});
  std::string isa;
  for (const std::string& name : plan.isa) isa += (isa.empty() ? "" : " ") + name;
  return t.text() +
         fmt::format("{} steps, {} on 8-bit integers, {} by reference; instruction sets: {}\n",
                     plan.steps.size(), plan.integer_steps, plan.reference_steps, isa);
}

Json target_json(const std::string& target, const std::vector<Finding>& findings) {
  Json list = Json::array();
  for (const Finding& f : findings)
    list.push_back({{"rule", f.rule},
                    {"severity", f.severity},
                    {"node", f.node},
                    {"op", f.op},
                    {"tensor", f.tensor},
                    {"what", f.what},
                    {"todo", f.todo}});
  Json rules = Json::array();
  for (const TargetRule& r : target_rules(target))
    rules.push_back({{"id", r.id}, {"severity", r.severity}, {"summary", r.summary}});
  return {{"name", target}, {"rules", std::move(rules)}, {"findings", std::move(list)}};
}

std::string target_text(const std::string& target, const ModelInfo& info,
                        const std::vector<Finding>& findings) {
  constexpr int kShown = 5;  // of one rule
  const size_t rules = target_rules(target).size();
  if (findings.empty())
    return fmt::format("{}: {} rules, no finding{}\n", target, rules,
                       info.quantize_nodes == 0 ? "; the model is not quantized" : "");
  std::string text = "\n";
  for (size_t i = 0; i < findings.size();) {
    const std::string& rule = findings[i].rule;
    size_t n = 0;
    for (; i < findings.size() && findings[i].rule == rule; ++i, ++n) {
      const Finding& f = findings[i];
      if (n >= kShown) continue;
      text += fmt::format(
          "{} [{}] {} '{}'{}: {}\n", f.severity, f.rule, printable(f.op), printable(f.node),
          f.tensor.empty() ? "" : fmt::format(", tensor '{}'", printable(f.tensor)), f.what);
      text += fmt::format("  help: {}\n", f.todo);
    }
    if (n > kShown) text += fmt::format("{} more of [{}]: --json lists all\n", n - kShown, rule);
  }
  return text + fmt::format("{}: {} rules, {} finding{}\n", target, rules, findings.size(),
                            findings.size() == 1 ? "" : "s");
}

int inspect(const Options& o, const Common& common) {
  if (!o.target.empty()) check_choice("target", o.target, target_names());
  const Model model = Model::load(o.model);
  const ModelInfo info = model.info();
  std::optional<PlanInfo> plan;
  if (o.plan) plan = Session(model).plan();
  std::vector<Finding> findings;
  if (!o.target.empty()) findings = check_target(model, o.target);
  const int code = findings.empty() ? 0 : 1;
  if (!common.json) {
    std::string text = head(o, model, info) + "\n" + operators(info);
    if (o.layers) {
      Table t({"layer", "operator", "output", "type", "params", "MAC", "int8"});
      t.left(1).left(2).left(3).left(6);
      for (const NodeInfo& n : info.layers)
        t.add({printable(n.name), printable(n.op), printable(n.shape_text), n.dtype,
               n.parameters ? count_text(n.parameters) : "-", n.macs ? count_text(n.macs) : "-",
               n.quantizable ? "yes" : ""});
      text += "\n" + t.text();
    }
    if (plan) text += "\n" + plan_text(*plan);
    text += verdict(info);
    if (!o.target.empty()) text += target_text(o.target, info, findings);
    print(text);
    return code;
  }
  Json j = report(common);
  Json m{{"path", o.model},
         {"sha256", model.sha256()},
         {"bytes", model.file_bytes()},
         {"opset", info.opset},
         {"ir_version", info.ir_version},
         {"producer", info.producer},
         {"nodes", info.nodes},
         {"parameters", info.parameters},
         {"macs", info.macs},
         {"parameter_types", info.parameter_types},
         {"quantize_nodes", info.quantize_nodes},
         {"weighted", info.weighted},
         {"quantizable", info.quantizable},
         {"unsupported", info.unsupported},
         {"metadata", info.metadata}};
  m["inputs"] = Json::array();
  for (const Port& p : info.inputs) m["inputs"].push_back(to_json(p));
  m["outputs"] = Json::array();
  for (const Port& p : info.outputs) m["outputs"].push_back(to_json(p));
  m["operators"] = Json::array();
  for (const OperatorCount& c : info.operators)
    m["operators"].push_back({{"op", c.op},
                              {"count", c.count},
                              {"parameters", c.parameters},
                              {"macs", c.macs},
                              {"int8", c.int8}});
  j["model"] = std::move(m);
  if (o.layers) {
    j["layers"] = Json::array();
    for (const NodeInfo& n : info.layers)
      j["layers"].push_back({{"node", n.name},
                             {"op", n.op},
                             {"tensor", n.output},
                             {"shape", n.shape_text},
                             {"dtype", n.dtype},
                             {"parameters", n.parameters},
                             {"macs", n.macs},
                             {"quantizable", n.quantizable}});
  }
  if (plan) j["plan"] = plan_json(*plan);
  if (!o.target.empty()) j["target"] = target_json(o.target, findings);
  j["exit"] = code;
  print(j);
  return code;
}

}  // namespace

std::function<int()> declare_inspect(CLI::App& app, Common& common) {
  auto o = std::make_shared<Options>();
  app.add_option("model", o->model, "ONNX file, - for standard input")->required();
  app.add_flag("--layers", o->layers, "a line for every node");
  app.add_flag("--plan", o->plan, "the steps that the engine would run, with their kernels");
  app.add_option("--target", o->target,
                 "what keeps a quantized model from running well there: onnxruntime, openvino, "
                 "tensorrt, tersor, tersor-avx2, any; exit 1 if something does");
  return [o, &common] { return inspect(*o, common); };
}

}  // namespace tersor::cli

// If (1, 11, 13, 16, ...), Loop (1, 11, 13, ...), Scan (9, 11, ...): subgraphs run by the context's
// run_body on their formal inputs; what they capture is the caller's business.
#include <algorithm>

#include "ops/detail/arguments.h"
#include "ops/detail/move.h"
#include "ops/detail/walk.h"

namespace tersor::ops {
namespace {

using namespace detail;

std::shared_ptr<const ir::Graph> body_of(const ir::Node& node, const char* name) {
  auto body = node.attr_graph(name);
  if (!body) base::fail_input("E22", "attribute {} is missing", name);
  return body;
}

// What is true of both types.
ir::Type common(const ir::Type& a, const ir::Type& b) {
  ir::Type t;
  if (a.kind != b.kind) return t;
  t.kind = a.kind;
  t.raw = a.raw;
  if (a.elem == b.elem) t.elem = a.elem;
  if (a.shape && b.shape && a.shape->size() == b.shape->size()) {
    ir::Shape shape(a.shape->size());
    for (size_t i = 0; i < shape.size(); ++i)
      if ((*a.shape)[i] == (*b.shape)[i]) shape[i] = (*a.shape)[i];
    t.shape = std::move(shape);
  }
  return t;
}

bool equal_shapes(const ir::Type& a, const ir::Type& b) {
  if (a.shape.has_value() != b.shape.has_value()) return false;
  if (!a.shape) return true;
  if (a.shape->size() != b.shape->size()) return false;
  for (size_t i = 0; i < a.shape->size(); ++i)
    if ((*a.shape)[i].value != (*b.shape)[i].value || (*a.shape)[i].symbol != (*b.shape)[i].symbol)
      return false;
  return true;
}

// Types of a body's outputs, when its inputs from `first` on are fed back from its outputs from
// `from` on: `given` is relaxed until it holds for every iteration.
std::vector<ir::Type> infer_fed_back(InferContext& c, const ir::Graph& body,
                                     std::vector<ir::Type>& given, size_t first, size_t from,
                                     size_t count) {
  for (int round = 0;; ++round) {
    std::vector<ir::Type> out = c.infer_body(body, given);
    bool stable = true;
    for (size_t i = 0; i < count && from + i < out.size(); ++i) {
      ir::Type merged = common(given[first + i], out[from + i]);
      if (merged.elem == DType::kUndefined) merged.elem = given[first + i].elem;
      if (round > 2) merged.shape.reset();
      stable &= equal_shapes(merged, given[first + i]);
      given[first + i] = std::move(merged);
    }
    if (stable || round > 8) return out;
  }
}

// A plain copy of a tensor's elements along new axes: row `index` of `axis`.
Tensor slice(const Tensor& t, int axis, int64_t index) {
  Dims dims = t.dims();
  dims.erase(dims.begin() + axis);
  const AxisSplit s = split_at(t.dims(), axis);
  const int width = tensor::bits(t.dtype());
  if (width < 8) base::fail_unsupported("a Scan over elements of type {}", tensor::name(t.dtype()));
  const auto bytes = static_cast<int64_t>(width / 8);
  Tensor out = Tensor::empty(t.dtype(), std::move(dims));
  for (int64_t o = 0; o < s.outer; ++o)
    std::copy_n(t.raw() + (o * s.length + index) * s.inner * bytes, s.inner * bytes,
                out.raw_mutable() + o * s.inner * bytes);
  return out;
}

// Stacks equal tensors along a new axis into output `index`.
void stack(ComputeContext& c, size_t index, const std::vector<Tensor>& parts, int axis) {
  const Tensor& first = parts[0];
  for (const Tensor& p : parts)
    if (p.dims() != first.dims() || p.dtype() != first.dtype())
      base::fail_input("E17", "iterations gave shapes {} and {}", tensor::to_string(first.dims()),
                       tensor::to_string(p.dims()));
  Dims dims = first.dims();
  const auto a = static_cast<size_t>(axis);
  const int64_t outer = base::element_count(std::span(dims).first(a));
  const int64_t inner = base::element_count(std::span(dims).subspan(a));
  const auto count = static_cast<int64_t>(parts.size());
  dims.insert(dims.begin() + axis, count);
  Sink sink(c, index, first.dtype(), dims);
  for (int64_t i = 0; i < count; ++i) {
    const Source from(parts[static_cast<size_t>(i)]);
    for (int64_t o = 0; o < outer && inner > 0; ++o)
      sink.copy((o * count + i) * inner, from, o * inner, inner);
  }
}

// The output of no iteration: nothing along the new axis, the body's declared dimensions elsewhere.
void stack_nothing(ComputeContext& c, size_t index, const ir::Type& type, int axis) {
  Dims dims;
  if (type.shape)
    for (const ir::Dim& d : *type.shape) dims.push_back(d.known() ? d.value : 0);
  dims.insert(dims.begin() + std::min(axis, static_cast<int>(dims.size())), 0);
  c.outputs[index] =
      Tensor::empty(type.elem == DType::kUndefined ? DType::kFloat32 : type.elem, dims);
}

const ir::Type& output_type(const ir::Graph& body, size_t i) {
  return body.values[body.outputs[i]].type;
}

void expect_outputs(const ir::Graph& body, size_t count) {
  if (body.outputs.size() != count)
    base::fail_input("E22", "a subgraph has {} outputs, {} are needed", body.outputs.size(), count);
}

bool truth(const Tensor& t) {
  if (t.count() != 1)
    base::fail_input("E22", "a condition of shape {}", tensor::to_string(t.dims()));
  return tensor::as_int64(t, 0) != 0;
}

// ---- If ----------------------------------------------------------------------------------------

void infer_if(InferContext& c) {
  const auto then_body = body_of(c.node, "then_branch"), else_body = body_of(c.node, "else_branch");
  const auto a = c.infer_body(*then_body, {}), b = c.infer_body(*else_body, {});
  const Tensor* known = c.constant(0);
  for (size_t i = 0; i < c.output_count() && i < a.size() && i < b.size(); ++i) {
    if (known && known->count() == 1)
      c.out(i, truth(*known) ? a[i] : b[i]);
    else
      c.out(i, common(a[i], b[i]));
  }
}

void reference_if(ComputeContext& c) {
  const auto body = body_of(c.node, truth(c.in(0)) ? "then_branch" : "else_branch");
  expect_outputs(*body, c.outputs.size());
  std::vector<Tensor> out = c.run_body(*body, {});
  for (size_t i = 0; i < c.outputs.size(); ++i) c.outputs[i] = std::move(out[i]);
}

// ---- Loop: trip count?, condition?, carried... --------------------------------------------------

void infer_loop(InferContext& c) {
  const auto body = body_of(c.node, "body");
  const size_t carried = c.input_count() > 2 ? c.input_count() - 2 : 0;
  std::vector<ir::Type> given{ir::Type::tensor(DType::kInt64, ir::Shape{}),
                              ir::Type::tensor(DType::kBool, ir::Shape{})};
  for (size_t i = 0; i < carried; ++i) {
    given.push_back(c.in(2 + i));
    given.back().contents.reset();
  }
  const auto out = infer_fed_back(c, *body, given, 2, 1, carried);
  for (size_t i = 0; i < c.output_count() && 1 + i < out.size(); ++i) {
    ir::Type type = i < carried ? given[2 + i] : out[1 + i];
    type.contents.reset();
    if (i >= carried && type.shape) type.shape->insert(type.shape->begin(), ir::Dim());
    c.out(i, std::move(type));
  }
}

void reference_loop(ComputeContext& c) {
  const auto body = body_of(c.node, "body");
  const size_t carried = c.inputs.size() > 2 ? c.inputs.size() - 2 : 0;
  if (c.outputs.size() < carried)
    base::fail_input("E22", "a Loop of {} outputs carries {} values", c.outputs.size(), carried);
  const size_t scanned = c.outputs.size() - carried;
  expect_outputs(*body, 1 + carried + scanned);
  const int64_t trips = scalar_int(c, 0, INT64_MAX);
  bool running = !c.has(1) || truth(c.in(1));
  std::vector<Tensor> state;
  for (size_t i = 0; i < carried; ++i) state.push_back(c.in(2 + i));
  std::vector<std::vector<Tensor>> scans(scanned);
  for (int64_t trip = 0; trip < trips && running; ++trip) {
    std::vector<Tensor> args{Tensor::scalar(trip), Tensor::scalar(true)};
    args.insert(args.end(), state.begin(), state.end());
    std::vector<Tensor> out = c.run_body(*body, args);
    running = truth(out[0]);
    for (size_t i = 0; i < carried; ++i) state[i] = std::move(out[1 + i]);
    for (size_t i = 0; i < scanned; ++i) scans[i].push_back(std::move(out[1 + carried + i]));
  }
  for (size_t i = 0; i < carried; ++i) c.outputs[i] = std::move(state[i]);
  for (size_t i = 0; i < scanned; ++i) {
    if (!c.wants(carried + i)) continue;
    if (scans[i].empty())
      stack_nothing(c, carried + i, output_type(*body, 1 + carried + i), 0);
    else
      stack(c, carried + i, scans[i], 0);
  }
}

// ---- Scan: states..., sequences... --------------------------------------------------------------

struct ScanForm {
  size_t states, sequences, scanned;
  std::vector<int64_t> in_axes, in_directions, out_axes, out_directions;
};

std::vector<int64_t> filled(const ir::Node& node, const char* name, size_t count) {
  std::vector<int64_t> v = node.attr_ints(name);
  if (v.empty()) v.assign(count, 0);
  if (v.size() != count)
    base::fail_input("E22", "attribute {} has {} elements, {} are needed", name, v.size(), count);
  return v;
}

ScanForm form_of(const ir::Node& node, size_t inputs, size_t outputs) {
  const int64_t sequences = node.attr_int("num_scan_inputs", 0);
  if (sequences < 1 || static_cast<size_t>(sequences) > inputs ||
      inputs - static_cast<size_t>(sequences) > outputs)
    base::fail_input("E22", "a Scan of {} inputs and {} outputs over {} sequences", inputs, outputs,
                     sequences);
  ScanForm f{};
  f.sequences = static_cast<size_t>(sequences);
  f.states = inputs - f.sequences;
  f.scanned = outputs - f.states;
  f.in_axes = filled(node, "scan_input_axes", f.sequences);
  f.in_directions = filled(node, "scan_input_directions", f.sequences);
  f.out_axes = filled(node, "scan_output_axes", f.scanned);
  f.out_directions = filled(node, "scan_output_directions", f.scanned);
  return f;
}

void infer_scan(InferContext& c) {
  const auto body = body_of(c.node, "body");
  const ScanForm f = form_of(c.node, c.input_count(), c.output_count());
  std::vector<ir::Type> given;
  ir::Dim length;
  for (size_t i = 0; i < c.input_count(); ++i) {
    ir::Type type = c.in(i);
    type.contents.reset();
    if (i >= f.states && type.shape) {
      const int axis = normalize_axis(f.in_axes[i - f.states], type.rank());
      if (!length.known()) length = (*type.shape)[static_cast<size_t>(axis)];
      type.shape->erase(type.shape->begin() + axis);
    }
    given.push_back(std::move(type));
  }
  const auto out = infer_fed_back(c, *body, given, 0, 0, f.states);
  for (size_t i = 0; i < c.output_count() && i < out.size(); ++i) {
    ir::Type type = i < f.states ? given[i] : out[i];
    type.contents.reset();
    if (i >= f.states && type.shape) {
      const int axis = normalize_axis(f.out_axes[i - f.states], type.rank() + 1);
      type.shape->insert(type.shape->begin() + axis, length);
    }
    c.out(i, std::move(type));
  }
}

void reference_scan(ComputeContext& c) {
  const auto body = body_of(c.node, "body");
  const ScanForm f = form_of(c.node, c.inputs.size(), c.outputs.size());
  expect_outputs(*body, c.outputs.size());
  std::vector<int> axes;
  int64_t length = -1;
  for (size_t i = 0; i < f.sequences; ++i) {
    const Tensor& x = c.in(f.states + i);
    axes.push_back(normalize_axis(f.in_axes[i], x.rank()));
    const int64_t n = x.dim(static_cast<size_t>(axes[i]));
    if (length >= 0 && n != length)
      base::fail_input("E17", "a Scan over sequences of {} and {} elements", length, n);
    length = n;
  }
  std::vector<Tensor> state;
  for (size_t i = 0; i < f.states; ++i) state.push_back(c.in(i));
  std::vector<std::vector<Tensor>> scans(f.scanned);
  for (int64_t t = 0; t < length; ++t) {
    std::vector<Tensor> args = state;
    for (size_t i = 0; i < f.sequences; ++i)
      args.push_back(slice(c.in(f.states + i), axes[i], f.in_directions[i] ? length - 1 - t : t));
    std::vector<Tensor> out = c.run_body(*body, args);
    for (size_t i = 0; i < f.states; ++i) state[i] = std::move(out[i]);
    for (size_t i = 0; i < f.scanned; ++i) scans[i].push_back(std::move(out[f.states + i]));
  }
  for (size_t i = 0; i < f.states; ++i) c.outputs[i] = std::move(state[i]);
  for (size_t i = 0; i < f.scanned; ++i) {
    const size_t index = f.states + i;
    if (!c.wants(index)) continue;
    if (scans[i].empty()) {
      const ir::Type& type = output_type(*body, index);
      stack_nothing(c, index, type,
                    type.shape ? normalize_axis(f.out_axes[i], type.rank() + 1) : 0);
      continue;
    }
    if (f.out_directions[i]) std::ranges::reverse(scans[i]);
    stack(c, index, scans[i], normalize_axis(f.out_axes[i], scans[i][0].rank() + 1));
  }
}

}  // namespace

extern const Operator kIf{.name = "If", .infer = infer_if, .reference = reference_if};
extern const Operator kLoop{.name = "Loop", .infer = infer_loop, .reference = reference_loop};
extern const Operator kScan{
    .name = "Scan", .since = 9, .infer = infer_scan, .reference = reference_scan};

}  // namespace tersor::ops

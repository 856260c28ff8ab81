#include "ops/operator.h"

#include <array>
#include <unordered_map>

#include "base/error.h"

namespace tersor::ops {

#define TERSOR_OP(constant) extern const Operator constant;
#include "ops/list.inc"
#undef TERSOR_OP

namespace {

const std::array kAll{
#define TERSOR_OP(constant) &constant,
#include "ops/list.inc"
#undef TERSOR_OP
};

std::string_view canonical(std::string_view domain) { return domain == "ai.onnx" ? "" : domain; }

}  // namespace

std::span<const Operator* const> all() { return kAll; }

const Operator* find(std::string_view domain, std::string_view name, int64_t version) {
  static const auto by_name = [] {
    std::unordered_multimap<std::string_view, const Operator*> all;
    for (const Operator* op : kAll) all.emplace(op->name, op);
    return all;
  }();
  const Operator* best = nullptr;
  const auto [begin, end] = by_name.equal_range(name);
  for (auto it = begin; it != end; ++it) {
    const Operator* op = it->second;
    if (canonical(domain) == op->domain && op->since <= version &&
        (!best || op->since > best->since))
      best = op;
  }
  return best;
}

void fail_unknown(const ir::Node& node) {
  const std::string full = canonical(node.domain).empty() ? node.op : node.domain + "." + node.op;
  throw Error(ErrorKind::kUnsupported, "E10",
              fmt::format("operator {} (node {}) is not supported by the engine",
                          base::quoted(full), base::quoted(node.name)));
}

// ---- inference helpers -------------------------------------------------------------------------

const ir::Type& InferContext::in(size_t i) const {
  static const ir::Type unknown;
  return has(i) ? *inputs_[i] : unknown;
}

const Tensor* InferContext::constant(size_t i) const {
  return i < constants_.size() ? constants_[i] : nullptr;
}

std::optional<std::vector<ir::Dim>> InferContext::contents(size_t i) const {
  if (const Tensor* t = constant(i)) {
    if (!tensor::is_integer(t->dtype()) || t->count() > 4096) return {};
    std::vector<ir::Dim> dims;
    for (int64_t v : tensor::to_int64s(*t)) {
      dims.emplace_back(v);
      if (v < 0) dims.back().symbol = std::to_string(v);
    }
    return dims;
  }
  return in(i).contents;
}

std::optional<std::vector<int64_t>> InferContext::numbers(size_t i) const {
  if (const Tensor* t = constant(i)) {
    if (!tensor::is_integer(t->dtype())) return {};
    return tensor::to_int64s(*t);
  }
  const auto& dims = in(i).contents;
  return dims ? ir::to_dims(*dims) : std::nullopt;
}

void InferContext::out(size_t i, DType elem, std::optional<ir::Shape> shape) {
  out(i, ir::Type::tensor(elem, std::move(shape)));
}

void InferContext::out(size_t i, ir::Type type) {
  if (i < outputs_.size()) outputs_[i] = std::move(type);
}

void InferContext::set_contents(size_t i, std::vector<ir::Dim> contents) {
  if (i < outputs_.size() && contents.size() <= 4096) outputs_[i].contents = std::move(contents);
}

std::optional<ir::Shape> broadcast(const std::optional<ir::Shape>& a,
                                   const std::optional<ir::Shape>& b) {
  if (!a || !b) return {};
  const size_t rank = std::max(a->size(), b->size());
  ir::Shape out(rank);
  for (size_t i = 0; i < rank; ++i) {
    const ir::Dim x = i + a->size() >= rank ? (*a)[i + a->size() - rank] : ir::Dim(1);
    const ir::Dim y = i + b->size() >= rank ? (*b)[i + b->size() - rank] : ir::Dim(1);
    if (x == y) {
      out[i] = x;
    } else if (x.value == 1) {
      out[i] = y;
    } else if (y.value == 1) {
      out[i] = x;
    } else if (x.known() && y.known()) {
      base::fail_input("E17", "shapes {} and {} cannot be broadcast", ir::to_string(*a),
                       ir::to_string(*b));
    } else if (x.known()) {
      out[i] = x;
    } else if (y.known()) {
      out[i] = y;
    }
  }
  return out;
}

Dims broadcast_dims(std::span<const int64_t> a, std::span<const int64_t> b) {
  const size_t rank = std::max(a.size(), b.size());
  Dims out(rank);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t x = i + a.size() >= rank ? a[i + a.size() - rank] : 1;
    const int64_t y = i + b.size() >= rank ? b[i + b.size() - rank] : 1;
    if (x != y && x != 1 && y != 1)
      base::fail_input("E17", "shapes {} and {} cannot be broadcast", tensor::to_string(a),
                       tensor::to_string(b));
    out[i] = x == 1 ? y : x;
  }
  return out;
}

namespace {

std::string text(const ir::Dim& d) {
  const std::string s = ir::to_string(d);
  return s.find_first_of("+-*/") == std::string::npos ? s : "(" + s + ")";
}

ir::Dim expression(const ir::Dim& a, char op, const ir::Dim& b) {
  const bool unknown = (!a.known() && a.symbol.empty()) || (!b.known() && b.symbol.empty());
  std::string s = text(a) + op + text(b);
  if (unknown || s.size() > 64) return {};
  return ir::Dim(std::move(s));
}

}  // namespace

ir::Dim add(const ir::Dim& a, const ir::Dim& b) {
  if (a.known() && b.known()) return base::checked_add(a.value, b.value, "a dimension");
  if (a.value == 0) return b;
  if (b.value == 0) return a;
  return expression(a, '+', b);
}
ir::Dim sub(const ir::Dim& a, const ir::Dim& b) {
  if (a.known() && b.known()) return ir::Dim(a.value - b.value);
  if (b.value == 0) return a;
  if (a == b) return ir::Dim(0);
  return expression(a, '-', b);
}
ir::Dim mul(const ir::Dim& a, const ir::Dim& b) {
  if (a.known() && b.known()) return base::checked_mul(a.value, b.value, "a dimension");
  if (a.value == 1) return b;
  if (b.value == 1) return a;
  if (a.value == 0 || b.value == 0) return ir::Dim(0);
  return expression(a, '*', b);
}
ir::Dim div(const ir::Dim& a, const ir::Dim& b) {
  if (a.known() && b.known() && b.value != 0) return ir::Dim(a.value / b.value);
  if (b.value == 1) return a;
  if (a == b) return ir::Dim(1);
  return expression(a, '/', b);
}

int normalize_axis(int64_t axis, int rank) {
  if (axis < -static_cast<int64_t>(rank) || axis >= rank)
    base::fail_input("E15", "axis {} is outside a tensor of rank {}", axis, rank);
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

// ---- computing ---------------------------------------------------------------------------------

const Tensor& ComputeContext::in(size_t i) const {
  if (!has(i)) base::fail_input("E18", "input {} is missing", i);
  return *inputs[i];
}

Tensor& ComputeContext::out(size_t i, DType dtype, Dims dims) const {
  static thread_local Tensor unwanted;
  Tensor& slot = i < outputs.size() ? outputs[i] : unwanted;
  slot = allocate && dtype != DType::kString ? allocate(dtype, std::move(dims))
                                             : Tensor::empty(dtype, std::move(dims));
  return slot;
}

}  // namespace tersor::ops

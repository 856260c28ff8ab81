#include "onnx/wire.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/limits.h"

namespace tersor::onnx {
namespace {

enum class Kind : uint8_t { kModel, kGraph, kNode, kAttribute, kTensor, kInfo, kFunction, kOther };

// The child messages that the walk enters, and the field that names a message.
struct Edge {
  Kind parent;
  uint32_t field;
  Kind child;
};
constexpr std::array kEdges{
    Edge{Kind::kModel, 7, Kind::kGraph},      Edge{Kind::kModel, 25, Kind::kFunction},
    Edge{Kind::kGraph, 1, Kind::kNode},       Edge{Kind::kGraph, 5, Kind::kTensor},
    Edge{Kind::kGraph, 11, Kind::kInfo},      Edge{Kind::kGraph, 12, Kind::kInfo},
    Edge{Kind::kGraph, 13, Kind::kInfo},      Edge{Kind::kNode, 5, Kind::kAttribute},
    Edge{Kind::kAttribute, 5, Kind::kTensor}, Edge{Kind::kAttribute, 10, Kind::kTensor},
    Edge{Kind::kAttribute, 6, Kind::kGraph},  Edge{Kind::kAttribute, 11, Kind::kGraph},
    Edge{Kind::kFunction, 7, Kind::kNode},    Edge{Kind::kFunction, 11, Kind::kAttribute},
    Edge{Kind::kFunction, 12, Kind::kInfo},
};

struct Named {
  const char* what;
  uint32_t name_field;
};
constexpr Named named(Kind kind) {
  switch (kind) {
    case Kind::kGraph:
      return {"graph", 2};
    case Kind::kNode:
      return {"node", 3};
    case Kind::kAttribute:
      return {"attribute", 1};
    case Kind::kTensor:
      return {"initializer", 8};
    case Kind::kInfo:
      return {"value", 1};
    case Kind::kFunction:
      return {"function", 1};
    default:
      return {"the model", 0};
  }
}

std::optional<Kind> child(Kind parent, uint64_t field) {
  for (const Edge& edge : kEdges)
    if (edge.parent == parent && edge.field == field) return edge.child;
  return {};
}

// The wire type of a field of ModelProto; -1 for numbers it does not have.
constexpr int model_wire_type(uint64_t field) {
  switch (field) {
    case 1:
    case 5:
      return 0;
    case 2:
    case 3:
    case 4:
    case 6:
    case 7:
    case 8:
    case 14:
    case 20:
    case 25:
    case 26:
      return 2;
    default:
      return -1;
  }
}

// "2 048 000"
std::string grouped(uint64_t n) {
  std::string text = std::to_string(n);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, 1, ' ');
  return text;
}

struct Frame {
  Kind kind;
  uint64_t tag;  // where the field begins that holds it
  uint64_t begin;
  uint64_t length;  // as declared: may reach beyond the end of the file
  std::string name;
};
constexpr uint64_t kLargeData = 65536;
constexpr uint64_t kNameShown = 256;  // of a name, for messages

class Walk {
 public:
  Walk(Input& input, const std::string& name) : input_(input), file_(name) {}

  Outline run() {
    stack_.push_back({Kind::kModel, 0, 0, uint64_t{1} << 62, {}});
    while (stack_.size() > 1 || at_ < input_.size()) {
      const uint64_t end = stack_.back().begin + stack_.back().length;
      if (at_ == end) {
        stack_.pop_back();
      } else if (at_ >= input_.size()) {
        cut(stack_.back().length, stack_.back().begin);
      } else {
        field(end);
      }
    }
    // Of data given twice the last counts: that is the parser's business.
    std::erase_if(outline_.data, [](const LargeData& d) { return d.data.end == 0; });
    return std::move(outline_);
  }

 private:
  void field(uint64_t end) {
    const Kind kind = stack_.back().kind;
    const uint64_t begin = at_;
    const uint64_t tag = varint(end);
    const uint64_t number = tag >> 3;
    const int type = static_cast<int>(tag & 7);
    if (number == 0 || number > 0x1fffffff) no_model();
    if (kind == Kind::kModel) {
      const int expected = model_wire_type(number);
      if (expected >= 0 ? type != expected : !known_before_) no_model();
      known_before_ = true;
    }
    switch (type) {
      case 0:
        varint(end);
        return;
      case 1:
        return skip(8, end);
      case 5:
        return skip(4, end);
      case 2:
        break;
      default:
        no_model();
    }
    if (++parts_ > limits::kMessageParts)
      base::fail(ErrorKind::kLimit, "E60", "{} has more than {} parts", base::quoted(file_),
                 limits::kMessageParts);
    const uint64_t length = varint(end);
    if (length > end - at_) no_model();  // a part larger than what holds it
    const uint64_t there = input_.size() - at_;
    if (const auto entered = child(kind, number)) {
      enter(*entered, begin, length);
    } else if (length > there) {
      const bool data = kind == Kind::kTensor && number == 9;
      if (data) cut(length, at_);
      cut(stack_.back().length, stack_.back().begin);
    } else {
      if (number == named(kind).name_field)
        stack_.back().name = input_.text(at_, std::min(length, kNameShown));
      if (kind == Kind::kTensor && number == 9) note_data({begin, at_, at_ + length});
      at_ += length;
    }
  }

  // Raw data of the innermost tensor.
  void note_data(const Extent& data) {
    if (stack_.size() != 3 || stack_[1].kind != Kind::kGraph) return;
    const size_t initializer = initializers_ - 1;
    if (!outline_.data.empty() && outline_.data.back().initializer == initializer) {
      outline_.data.back().data.end = 0;
    } else if (data.end - data.begin >= kLargeData) {
      const Frame& tensor = stack_.back();
      outline_.data.push_back({outline_.graphs.size() - 1,
                               initializer,
                               {tensor.tag, tensor.begin, tensor.begin + tensor.length},
                               data});
    }
  }

  void enter(Kind kind, uint64_t tag, uint64_t length) {
    if (stack_.size() == 1 && kind == Kind::kGraph)
      outline_.graphs.push_back({tag, at_, at_ + length});
    if (stack_.size() == 2 && kind == Kind::kTensor) ++initializers_;
    if (kind == Kind::kNode && ++nodes_ > static_cast<uint64_t>(limits::kNodes))
      base::fail(ErrorKind::kLimit, "E60", "{} has more than {} nodes", base::quoted(file_),
                 limits::kNodes);
    if (kind == Kind::kGraph) {
      int graphs = 1;
      for (const Frame& frame : stack_) graphs += frame.kind == Kind::kGraph;
      if (graphs > limits::kGraphNesting)
        base::fail(ErrorKind::kLimit, "E60", "graphs are nested deeper than {} in {}",
                   limits::kGraphNesting, base::quoted(file_));
    }
    if (stack_.size() >= static_cast<size_t>(limits::kMessageNesting))
      base::fail(ErrorKind::kLimit, "E60", "messages are nested deeper than {} in {}",
                 limits::kMessageNesting, base::quoted(file_));
    stack_.push_back({kind, tag, at_, length, {}});
  }

  uint64_t varint(uint64_t end) {
    uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      if (at_ >= input_.size()) cut(stack_.back().length, stack_.back().begin);
      if (at_ >= end) no_model();
      const unsigned char byte = input_.at(at_++);
      if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (!(byte & 0x80)) return value;
    }
    no_model();
  }

  void skip(uint64_t length, uint64_t end) {
    if (length > end - at_) no_model();
    if (length > input_.size() - at_) cut(stack_.back().length, stack_.back().begin);
    at_ += length;
  }

  // The file ends inside the innermost frame, or inside the data of a tensor.
  [[noreturn]] void cut(uint64_t needed, uint64_t from) const {
    const Frame& frame = stack_.back();
    // At the outermost level lengths are those of the file: a number or a length is missing its
    // end.
    if (frame.kind == Kind::kModel) {
      if (!known_before_) no_model();
      throw Error(
          ErrorKind::kInput, "E03",
          fmt::format("{} is cut off: the file ends after {} bytes, inside the model's header",
                      base::quoted(file_), grouped(input_.size())),
          "download or copy it again");
    }
    const bool constant = frame.kind == Kind::kTensor && stack_.size() > 1 &&
                          stack_[stack_.size() - 2].kind == Kind::kAttribute;
    const std::string what = constant ? "tensor" : named(frame.kind).what;
    throw Error(
        ErrorKind::kInput, "E03",
        fmt::format("{} is cut off: {} needs {} bytes, the file ends after {}", base::quoted(file_),
                    frame.name.empty() ? "one " + what : what + " " + base::quoted(frame.name),
                    grouped(needed), grouped(input_.size() - from)),
        "download or copy it again");
  }

  [[noreturn]] void no_model() const {
    throw Error(ErrorKind::kInput, "E02",
                base::quoted(file_) + " is not an ONNX model: its bytes are no ONNX protobuf" +
                    (known_before_ ? fmt::format(" (damaged near byte {})", at_) : ""),
                "export the model to ONNX again");
  }

  Input& input_;
  const std::string& file_;
  std::vector<Frame> stack_;
  Outline outline_;
  uint64_t at_ = 0;
  uint64_t parts_ = 0, nodes_ = 0;
  size_t initializers_ = 0;  // of the main graph
  bool known_before_ = false;
};

}  // namespace

Outline check_wire(Input& input, const std::string& name) { return Walk(input, name).run(); }

std::string without_large_data(Input& input, const Outline& outline) {
  const auto put_message = [](std::string& to, uint64_t field, const std::string& message) {
    to.push_back(static_cast<char>(field << 3 | 2));
    uint64_t length = message.size();
    for (; length >= 0x80; length >>= 7) to.push_back(static_cast<char>(length | 0x80));
    to.push_back(static_cast<char>(length));
    to += message;
  };
  const auto between = [&](uint64_t from, uint64_t to) { return input.text(from, to - from); };
  std::string model;
  uint64_t at = 0;
  size_t next = 0;
  for (size_t g = 0; g < outline.graphs.size(); ++g) {
    std::string graph;
    uint64_t inside = outline.graphs[g].begin;
    for (; next < outline.data.size() && outline.data[next].graph == g; ++next) {
      const auto& [owner, initializer, tensor, data] = outline.data[next];
      graph += between(inside, tensor.tag);
      put_message(graph, 5, between(tensor.begin, data.tag) + between(data.end, tensor.end));
      inside = tensor.end;
    }
    graph += between(inside, outline.graphs[g].end);
    model += between(at, outline.graphs[g].tag);
    put_message(model, 7, graph);
    at = outline.graphs[g].end;
  }
  return model + between(at, input.size());
}

}  // namespace tersor::onnx

// Models for the tests of this room, built as messages.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "onnx/onnx.h"
#include "tersor_onnx.pb.h"

namespace tersor::onnx {

inline void add_info(pb::ValueInfoProto& info, const std::string& name, int64_t size) {
  info.set_name(name);
  auto& type = *info.mutable_type()->mutable_tensor_type();
  type.set_elem_type(1);
  type.mutable_shape()->add_dim()->set_dim_value(size);
}

inline pb::NodeProto& add_node(pb::GraphProto& graph, const std::string& op,
                               std::initializer_list<const char*> inputs,
                               const std::string& output) {
  auto& node = *graph.add_node();
  node.set_op_type(op);
  node.set_name("node_" + output);
  for (const char* input : inputs) node.add_input(input);
  node.add_output(output);
  return node;
}

inline pb::TensorProto& add_floats(pb::GraphProto& graph, const std::string& name, int count) {
  auto& t = *graph.add_initializer();
  t.set_name(name);
  t.add_dims(count);
  t.set_data_type(1);
  t.set_raw_data(std::string(static_cast<size_t>(count) * 4, '\1'));
  return t;
}

// y = Relu(x + w), with w in raw_data.
inline pb::ModelProto small_model() {
  pb::ModelProto model;
  model.set_ir_version(8);
  model.set_producer_name("test");
  auto& opset = *model.add_opset_import();
  opset.set_domain("");
  opset.set_version(17);
  auto& graph = *model.mutable_graph();
  graph.set_name("g");
  add_info(*graph.add_input(), "x", 4);
  add_info(*graph.add_output(), "y", 4);
  add_floats(graph, "w", 4);
  add_node(graph, "Add", {"x", "w"}, "s");
  add_node(graph, "Relu", {"s"}, "y");
  return model;
}

// A model with a bit of everything: typed fields, a subgraph, a function, strings, a reference.
inline pb::ModelProto varied_model() {
  pb::ModelProto model = small_model();
  auto& graph = *model.mutable_graph();
  auto& ints = *graph.add_initializer();
  ints.set_name("ints");
  ints.add_dims(2);
  ints.set_data_type(3);
  ints.add_int32_data(-1);
  ints.add_int32_data(127);
  auto& words = *graph.add_initializer();
  words.set_name("words");
  words.add_dims(1);
  words.set_data_type(8);
  words.add_string_data("hello");
  auto& attribute = *add_node(graph, "If", {"c"}, "branch").add_attribute();
  attribute.set_name("then_branch");
  attribute.set_type(5);
  auto& body = *attribute.mutable_g();
  body.set_name("then");
  add_node(body, "Neg", {"s"}, "t");
  body.add_output()->set_name("t");
  auto& condition = *graph.add_initializer();
  condition.set_name("c");
  condition.set_data_type(9);
  condition.add_int32_data(1);
  auto& function = *model.add_functions();
  function.set_name("F");
  function.set_domain("d");
  function.add_input("a");
  function.add_output("b");
  auto& inner = *function.add_node();
  inner.set_op_type("LeakyRelu");
  inner.add_input("a");
  inner.add_output("b");
  auto& reference = *inner.add_attribute();
  reference.set_name("alpha");
  reference.set_type(1);
  reference.set_ref_attr_name("alpha");
  return model;
}

inline std::string bytes_of(const google::protobuf::MessageLite& message) {
  return message.SerializePartialAsString();
}

// The Error that reading gives; fails the test if there is none.
inline Error read_error(std::string_view bytes) {
  try {
    read_bytes(bytes, ".", "m.onnx");
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return Error(ErrorKind::kInternal, "", "");
}

}  // namespace tersor::onnx

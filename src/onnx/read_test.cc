#include "base/limits.h"
#include "onnx/testing.h"

namespace tersor::onnx {
namespace {

ir::Model read_message(const pb::ModelProto& proto) { return read_bytes(bytes_of(proto), "."); }

std::string code_of(const pb::ModelProto& proto) { return read_error(bytes_of(proto)).code(); }

TEST(Read, GivesValuesNodesAndConstants) {
  const ir::Model m = read_message(small_model());
  ir::verify(m);
  EXPECT_EQ(m.opset(), 17);
  ASSERT_EQ(m.graph.nodes.size(), 2u);
  EXPECT_EQ(m.graph.nodes[0].op, "Add");
  const ir::ValueId w = m.graph.find("w");
  ASSERT_TRUE(m.graph.constant(w));
  EXPECT_EQ(m.graph.constant(w)->dims(), (Dims{4}));
  EXPECT_EQ(m.graph.required_inputs().size(), 1u);
}

TEST(Read, TellsCapturesOfSubgraphs) {
  const ir::Model m = read_message(varied_model());
  const ir::Node* branch = nullptr;
  for (const ir::Node& node : m.graph.nodes)
    if (node.op == "If") branch = &node;
  ASSERT_TRUE(branch);
  const auto body = branch->attr_graph("then_branch");
  ASSERT_TRUE(body);
  ASSERT_EQ(body->captures.size(), 1u);
  EXPECT_EQ(body->values[body->captures[0]].name, "s");
}

TEST(Read, ParsesFunctions) {
  const ir::Model m = read_message(varied_model());
  ASSERT_EQ(m.functions.size(), 1u);
  ASSERT_EQ(m.functions[0].body.nodes.size(), 1u);
  const auto* alpha = m.functions[0].body.nodes[0].find("alpha");
  ASSERT_TRUE(alpha);
  EXPECT_EQ(std::get<ir::Attribute::Reference>(alpha->data).name, "alpha");
}

TEST(Read, RefusesNamesThatClash) {
  pb::ModelProto twice = small_model();
  add_node(*twice.mutable_graph(), "Neg", {"x"}, "s");
  EXPECT_EQ(code_of(twice), "E19");
  pb::ModelProto weights = small_model();
  add_floats(*weights.mutable_graph(), "w", 4);
  EXPECT_EQ(code_of(weights), "E19");
  pb::ModelProto inputs = small_model();
  add_info(*inputs.mutable_graph()->add_input(), "x", 4);
  EXPECT_EQ(code_of(inputs), "E19");
  pb::ModelProto overwritten = small_model();
  add_node(*overwritten.mutable_graph(), "Neg", {"x"}, "w");
  EXPECT_EQ(code_of(overwritten), "E19");
}

TEST(Read, RefusesBrokenGraphs) {
  pb::ModelProto unmade = small_model();
  add_node(*unmade.mutable_graph(), "Neg", {"nowhere"}, "n");
  const Error error = read_error(bytes_of(unmade));
  EXPECT_EQ(error.code(), "E27");
  EXPECT_NE(error.sentence().find("'nowhere'"), std::string::npos);
  pb::ModelProto output = small_model();
  add_info(*output.mutable_graph()->add_output(), "z", 1);
  EXPECT_EQ(code_of(output), "E27");
  pb::ModelProto cycle = small_model();
  add_node(*cycle.mutable_graph(), "Neg", {"b"}, "a");
  add_node(*cycle.mutable_graph(), "Neg", {"a"}, "b");
  EXPECT_EQ(code_of(cycle), "E24");
}

TEST(Read, RefusesWhatIsNoModel) {
  pb::ModelProto model = small_model();
  model.clear_graph();
  EXPECT_EQ(code_of(model), "E02");
  model = small_model();
  model.clear_opset_import();
  EXPECT_EQ(code_of(model), "E02");
  model = small_model();
  model.set_ir_version(2);
  EXPECT_EQ(code_of(model), "E08");
}

TEST(Read, NestsUpToTheLimit) {
  const auto nested = [](int graphs) {
    pb::ModelProto model = small_model();
    pb::GraphProto* graph = model.mutable_graph();
    for (int i = 1; i < graphs; ++i) {
      auto& a = *add_node(*graph, "If", {"w"}, "n" + std::to_string(i)).add_attribute();
      a.set_name("then_branch");
      a.set_type(5);
      graph = a.mutable_g();
      graph->set_name("b");
    }
    auto& a = *add_node(*graph, "Constant", {}, "last").add_attribute();
    a.set_name("value");
    a.set_type(4);
    a.mutable_t()->set_data_type(1);
    a.mutable_t()->add_dims(0);
    return bytes_of(model);
  };
  EXPECT_NO_THROW(read_bytes(nested(limits::kGraphNesting), "."));
  const Error error = read_error(nested(limits::kGraphNesting + 1));
  EXPECT_EQ(error.kind(), ErrorKind::kLimit);
}

TEST(Read, NamesUpToTheLimit) {
  pb::ModelProto model = small_model();
  add_node(*model.mutable_graph(), "Neg", {"x"}, std::string(limits::kNameBytes, 'n'));
  EXPECT_NO_THROW(read_message(model));
  add_node(*model.mutable_graph(), "Neg", {"x"}, std::string(limits::kNameBytes + 1, 'm'));
  EXPECT_EQ(code_of(model), "E60");
}

TEST(Read, StringAttributesUpToTheLimit) {
  pb::ModelProto model = small_model();
  auto& a = *model.mutable_graph()->mutable_node(0)->add_attribute();
  a.set_name("text");
  a.set_type(3);
  a.set_s(std::string(limits::kStringAttributeBytes, 'a'));
  EXPECT_NO_THROW(read_message(model));
  a.set_s(std::string(limits::kStringAttributeBytes + 1, 'a'));
  EXPECT_EQ(code_of(model), "E60");
}

TEST(Read, KeepsUnknownOperators) {
  pb::ModelProto model = small_model();
  model.mutable_graph()->mutable_node(1)->set_op_type("FooBar");
  model.mutable_graph()->mutable_node(1)->set_domain("my.ops");
  EXPECT_EQ(read_message(model).graph.nodes[1].domain, "my.ops");
}

}  // namespace
}  // namespace tersor::onnx

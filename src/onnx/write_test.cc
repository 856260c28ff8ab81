#include <unistd.h>

#include <fstream>

#include "base/file.h"
#include "onnx/testing.h"

namespace tersor::onnx {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("tersor_write_" + std::to_string(::getpid()))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  fs::path operator/(const char* name) const { return path_ / name; }
  size_t files() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(path_), {}));
  }

 private:
  fs::path path_;
};

std::string contents(const fs::path& path) { return base::read_file(path, 1 << 30); }

TEST(Write, GivesTheSameBytesAgain) {
  for (const pb::ModelProto& proto : {small_model(), varied_model()}) {
    const std::string once = write_bytes(read_bytes(bytes_of(proto), "."));
    EXPECT_EQ(once, write_bytes(read_bytes(once, ".")));
    pb::ModelProto again;
    ASSERT_TRUE(again.ParseFromString(once));
    EXPECT_EQ(bytes_of(again), bytes_of(proto));
  }
}

TEST(Write, NewPartsAppear) {
  ir::Model m = read_bytes(bytes_of(small_model()), ".");
  m.opsets[""] = 21;
  m.producer_name = "tersor";
  m.doc = "text";
  m.metadata.emplace_back("key", "value");
  m.graph.nodes[1].op = "Clip";
  m.graph.nodes[1].set("axis", int64_t{0});
  const auto scale = m.graph.add_constant("scale", Tensor::scalar(0.5f));
  m.graph.nodes[1].inputs.push_back(scale);
  m.graph.values[m.graph.find("y")].type.shape->front() = ir::Dim("N");
  pb::ModelProto proto;
  ASSERT_TRUE(proto.ParseFromString(write_bytes(m)));
  EXPECT_EQ(proto.opset_import(0).version(), 21);
  EXPECT_EQ(proto.producer_name(), "tersor");
  EXPECT_EQ(proto.doc_string(), "text");
  EXPECT_EQ(proto.metadata_props(0).value(), "value");
  EXPECT_EQ(proto.graph().node(1).op_type(), "Clip");
  EXPECT_TRUE(proto.graph().node(1).attribute(0).has_i());
  EXPECT_EQ(proto.graph().initializer(1).name(), "scale");
  EXPECT_EQ(proto.graph().output(0).type().tensor_type().shape().dim(0).dim_param(), "N");
}

TEST(Write, AnAttributeThatChangesItsTypeLeavesNothingBehind) {
  pb::ModelProto proto = small_model();
  auto& a = *proto.mutable_graph()->mutable_node(0)->add_attribute();
  a.set_name("v");
  a.set_type(4);
  a.mutable_t()->set_data_type(1);
  a.mutable_t()->set_doc_string("doc");
  a.mutable_t()->add_float_data(1);
  ir::Model m = read_bytes(bytes_of(proto), ".");
  m.graph.nodes[0].set("v", std::vector<int64_t>{1, 2});
  pb::ModelProto after;
  ASSERT_TRUE(after.ParseFromString(write_bytes(m)));
  EXPECT_FALSE(after.graph().node(0).attribute(0).has_t());
  EXPECT_EQ(after.graph().node(0).attribute(0).type(), 7);
}

TEST(Write, ANewNameForAStrayStatementDropsIt) {
  pb::ModelProto proto = small_model();
  add_info(*proto.mutable_graph()->add_value_info(), "stray", 9);
  ir::Model m = read_bytes(bytes_of(proto), ".");
  pb::ModelProto kept;
  ASSERT_TRUE(kept.ParseFromString(write_bytes(m)));
  EXPECT_EQ(kept.graph().value_info_size(), 1);
  m.graph.add_constant("stray", Tensor::scalar(1.0f));
  pb::ModelProto after;
  ASSERT_TRUE(after.ParseFromString(write_bytes(m)));
  EXPECT_EQ(after.graph().value_info_size(), 0);
}

TEST(Write, RefusesToReplaceWithoutForce) {
  const Folder folder;
  const ir::Model m = read_bytes(bytes_of(small_model()), ".");
  const fs::path path = folder / "m.onnx";
  write(m, path, false);
  const std::string before = contents(path);
  try {
    write(m, path, false);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "E40");
    EXPECT_EQ(error.kind(), ErrorKind::kOutput);
    EXPECT_NE(error.help().find("--force"), std::string::npos);
  }
  EXPECT_EQ(contents(path), before);
  write(m, path, true);
  EXPECT_EQ(folder.files(), 1u);
}

TEST(Write, WeightsBesideTheModel) {
  const Folder folder;
  pb::ModelProto proto = small_model();
  add_floats(*proto.mutable_graph(), "big", 1 << 19);
  add_floats(*proto.mutable_graph(), "middle", 1 << 10);
  const ir::Model m = read_bytes(bytes_of(proto), ".");
  const fs::path path = folder / "m.onnx";
  write(m, path, {.external = WriteOptions::External::kAlways});
  EXPECT_EQ(folder.files(), 2u);
  EXPECT_LT(fs::file_size(path), 2000u);
  pb::ModelProto stored;
  ASSERT_TRUE(stored.ParseFromString(contents(path)));
  const auto& big = stored.graph().initializer(1);
  EXPECT_EQ(big.data_location(), 1);
  EXPECT_TRUE(big.external_data(0).value().starts_with("m.onnx."));
  const ir::Model again = read(path);
  for (const char* name : {"w", "big", "middle"})
    EXPECT_TRUE(tensor::same(*m.graph.constant(m.graph.find(name)),
                             *again.graph.constant(again.graph.find(name))));
  // Read from mapped weights, written over the files they came from.
  write(again, path, {.force = true, .external = WriteOptions::External::kAlways});
  EXPECT_EQ(folder.files(), 2u);
  EXPECT_TRUE(tensor::same(*again.graph.constant(again.graph.find("big")),
                           *m.graph.constant(m.graph.find("big"))));
}

}  // namespace
}  // namespace tersor::onnx

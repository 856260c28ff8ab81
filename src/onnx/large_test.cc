// Files whose weights stay in them until they are asked for: the same models, and never more than
// an Error.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "onnx/testing.h"

namespace tersor::onnx {
namespace {

namespace fs = std::filesystem;

class Large : public ::testing::Test {
 protected:
  Large() {
    path_ = fs::temp_directory_path() / ("tersor_large_" + std::to_string(::getpid()) + ".onnx");
  }
  ~Large() override { fs::remove(path_); }
  void store(std::string_view bytes) const {
    std::ofstream(path_, std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  // What reading the file does: the model's bytes, or the sentence of the Error.
  std::string from_file() const {
    try {
      return write_bytes(read(path_));
    } catch (const Error& error) {
      return error.code() + error.sentence();
    }
  }
  std::string from_memory(std::string_view bytes) const {
    try {
      return write_bytes(read_bytes(bytes, path_.parent_path(), path_.string()));
    } catch (const Error& error) {
      return error.code() + error.sentence();
    }
  }

  fs::path path_;
};

// Over 1 MiB, with weights of 400 kB each.
pb::ModelProto large_model() {
  pb::ModelProto model = varied_model();
  std::mt19937 random(3);
  for (const char* name : {"a", "b", "c1"}) {
    std::string& raw = *add_floats(*model.mutable_graph(), name, 100000).mutable_raw_data();
    for (char& byte : raw) byte = static_cast<char>(random());
    add_node(*model.mutable_graph(), "Identity", {name}, std::string("y_") + name);
  }
  return model;
}

const Buffer& buffer_of(const ir::Model& m, const std::string& name) {
  return *m.graph.values[static_cast<size_t>(m.graph.find(name))].constant->buffer();
}

TEST_F(Large, IsTheSameModel) {
  const std::string bytes = bytes_of(large_model());
  store(bytes);
  EXPECT_EQ(from_file(), from_memory(bytes));
  const ir::Model m = read(path_);
  EXPECT_NE(buffer_of(m, "a").fetching_anew(), nullptr);
  EXPECT_EQ(buffer_of(m, "w").fetching_anew(), nullptr);
}

TEST_F(Large, WeightsComeAndGo) {
  const std::string bytes = bytes_of(large_model());
  store(bytes);
  const ir::Model m = read(path_);
  const Buffer& shared = buffer_of(m, "b");
  const auto own = shared.fetching_anew();
  const std::string first(reinterpret_cast<const char*>(own->data()), own->size());
  EXPECT_NE(bytes.find(first), std::string::npos);
  EXPECT_NE(own->data(), shared.data());
  own->unload();
  own->unload();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(own->data()), own->size()), first);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(shared.data()), own->size()), first);
}

TEST_F(Large, GraphsInPieces) {
  // A message may come in parts: their fields add up.
  pb::ModelProto whole = large_model(), more;
  std::string& raw = *add_floats(*more.mutable_graph(), "d", 50000).mutable_raw_data();
  raw.assign(raw.size(), 'd');
  add_node(*more.mutable_graph(), "Identity", {"d"}, "y_d");
  const std::string bytes = bytes_of(whole) + bytes_of(more);
  store(bytes);
  EXPECT_EQ(from_file(), from_memory(bytes));
  EXPECT_NE(from_file().find(raw), std::string::npos);
}

TEST_F(Large, OddTensors) {
  const auto same = [&](auto change) {
    pb::ModelProto model = large_model();
    change(model, *model.mutable_graph()->mutable_initializer(4));
    const std::string bytes = bytes_of(model);
    store(bytes);
    EXPECT_EQ(from_file(), from_memory(bytes));
  };
  same([](auto&, pb::TensorProto& t) { t.set_dims(0, 99999); });
  same([](auto&, pb::TensorProto& t) { t.set_dims(0, -1); });
  same([](auto&, pb::TensorProto& t) { t.set_dims(0, INT64_MAX); });
  same([](auto&, pb::TensorProto& t) { t.set_data_type(8); });
  same([](auto&, pb::TensorProto& t) { t.set_data_type(77); });
  same([](auto&, pb::TensorProto& t) { t.add_float_data(1); });
  same([](auto&, pb::TensorProto& t) { t.set_data_location(1); });
  same([](auto&, pb::TensorProto& t) {
    t.set_data_type(9);  // bool: other bytes than 0 and 1 become 1
    t.set_dims(0, 400000);
  });
  same([](pb::ModelProto& m, pb::TensorProto& t) { *m.mutable_graph()->add_initializer() = t; });
  // Raw data twice: the last counts.
  pb::ModelProto model = large_model();
  const std::string bytes = bytes_of(model);
  pb::TensorProto t = model.graph().initializer(4), again;
  again.set_raw_data(std::string(t.raw_data().size(), 'x'));
  pb::GraphProto graph = model.graph();
  graph.clear_initializer();
  pb::ModelProto rest = model;
  *rest.mutable_graph() = graph;
  std::string field = bytes_of(t) + bytes_of(again), twice = bytes_of(rest), part;
  const auto put = [](std::string& to, uint64_t number, const std::string& message) {
    to.push_back(static_cast<char>(number << 3 | 2));
    uint64_t length = message.size();
    for (; length >= 0x80; length >>= 7) to.push_back(static_cast<char>(length | 0x80));
    to.push_back(static_cast<char>(length));
    to += message;
  };
  for (int i = 0; i < model.graph().initializer_size(); ++i)
    put(part, 5, i == 4 ? field : bytes_of(model.graph().initializer(i)));
  put(twice, 7, part);
  store(twice);
  EXPECT_EQ(from_file(), from_memory(twice));
  EXPECT_NE(from_file().find("xxxxxxxx"), std::string::npos);
}

TEST_F(Large, CutAndDamaged) {
  const std::string whole = bytes_of(large_model());
  std::mt19937 random(11);
  for (int round = 0; round < 60; ++round) {
    std::string bytes = whole;
    if (round % 2 == 0) {
      bytes.resize(std::uniform_int_distribution<size_t>(1 << 20, whole.size() - 1)(random));
    } else {
      // Near the ends of the large fields, where lengths stand.
      const size_t at = round % 4 == 1 ? random() % 2000 : whole.size() - 1 - random() % 1200;
      bytes[at] = static_cast<char>(random());
    }
    store(bytes);
    EXPECT_EQ(from_file(), from_memory(bytes)) << round;
  }
}

TEST_F(Large, SaysWhenTheFileChanged) {
  store(bytes_of(large_model()));
  const ir::Model m = read(path_);
  store("shorter");
  try {
    buffer_of(m, "a").data();
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "E06");
    EXPECT_NE(error.sentence().find("changed while it was in use"), std::string::npos);
  }
  // A file that takes the name of another is no change of it.
  store(bytes_of(large_model()));
  const ir::Model again = read(path_);
  fs::remove(path_);
  store("another");
  EXPECT_EQ(buffer_of(again, "a").size(), 400000U);
  buffer_of(again, "a").data();
}

}  // namespace
}  // namespace tersor::onnx

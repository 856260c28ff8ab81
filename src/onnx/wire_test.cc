// Bytes that are no whole model: never more than an Error.
#include "onnx/wire.h"

#include <random>

#include "onnx/testing.h"

namespace tersor::onnx {
namespace {

// True if the bytes could be read (and written again); an Error is the only other way out.
bool survives(std::string_view bytes) {
  try {
    const ir::Model m = read_bytes(bytes, "/nonexistent", "m.onnx");
    ir::verify(m);
    read_bytes(write_bytes(m), "/nonexistent");
    return true;
  } catch (const Error& error) {
    EXPECT_NE(error.kind(), ErrorKind::kInternal) << error.describe();
    EXPECT_FALSE(error.sentence().empty());
    return false;
  }
}

TEST(Wire, CutAtEveryByte) {
  const std::string whole = bytes_of(varied_model());
  for (size_t length = 0; length < whole.size(); ++length) {
    const std::string part = whole.substr(0, length);
    EXPECT_NO_THROW(survives(part)) << length;
  }
}

TEST(Wire, SaysWhichInitializerIsCut) {
  pb::ModelProto model = small_model();
  add_floats(*model.mutable_graph(), "fc.weight", 512000);
  const std::string whole = bytes_of(model);
  const Error error = read_error(std::string_view(whole).substr(0, 1310720));
  EXPECT_EQ(error.code(), "E03");
  EXPECT_TRUE(
      error.sentence().starts_with("'m.onnx' is cut off: initializer 'fc.weight' needs 2 048 000 "
                                   "bytes, the file ends after 1 310 "))
      << error.sentence();
  EXPECT_EQ(error.help(), "download or copy it again");
}

TEST(Wire, EveryCutInsideTheGraphIsE03) {
  const std::string whole = bytes_of(small_model());
  const std::string graph = bytes_of(small_model().graph());
  const size_t begin = whole.find(graph);
  ASSERT_NE(begin, std::string::npos);
  for (size_t length = begin; length < begin + graph.size(); ++length) {
    const Error error = read_error(std::string_view(whole).substr(0, length));
    EXPECT_EQ(error.code(), "E03") << length << ": " << error.sentence();
  }
}

TEST(Wire, FlippedBytes) {
  const std::string whole = bytes_of(varied_model());
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = whole;
    for (auto flips = 1 + random() % 3; flips > 0; --flips)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    EXPECT_NO_THROW(survives(bytes)) << round;
  }
}

TEST(Wire, InsertedAndRemovedBytes) {
  const std::string whole = bytes_of(varied_model());
  std::mt19937 random(8);
  for (int round = 0; round < 10000; ++round) {
    std::string bytes = whole;
    const size_t at = random() % bytes.size();
    if (round % 2) {
      bytes.insert(at, 1 + random() % 4, static_cast<char>(random()));
    } else {
      bytes.erase(at, 1 + random() % 4);
    }
    EXPECT_NO_THROW(survives(bytes)) << round;
  }
}

TEST(Wire, Noise) {
  std::mt19937 random(9);
  for (int round = 0; round < 5000; ++round) {
    std::string bytes(random() % 64, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    EXPECT_NO_THROW(survives("\x08\x08" + bytes));
    EXPECT_NO_THROW(survives(bytes));
  }
}

TEST(Wire, RefusesGroupsAndImpossibleLengths) {
  EXPECT_EQ(read_error(std::string("\x08\x08\x0b\x0b\x0c\x0c", 6)).code(), "E02");
  // A graph inside whose bounds a node does not fit, though the file goes on.
  const std::string inner("\x3a\x02\x0a\x10", 4);
  EXPECT_EQ(read_error("\x08\x08" + inner + std::string(40, '\x42')).code(), "E02");
}

}  // namespace
}  // namespace tersor::onnx

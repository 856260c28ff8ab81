#include "onnx/tensor_proto.h"

#include "onnx/testing.h"

namespace tersor::onnx {
namespace {

pb::TensorProto tensor_of(int type, std::initializer_list<int64_t> dims) {
  pb::TensorProto t;
  t.set_name("t");
  t.set_data_type(type);
  for (int64_t d : dims) t.add_dims(d);
  return t;
}

Tensor take(pb::TensorProto t) { return take_tensor(t, {".", "m.onnx"}); }

Error take_error(const pb::TensorProto& t) {
  try {
    take(t);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return Error(ErrorKind::kInternal, "", "");
}

TEST(TensorProto, TypedFields) {
  pb::TensorProto halves = tensor_of(10, {2});
  halves.add_int32_data(0x3c00);
  halves.add_int32_data(0xc000);
  EXPECT_EQ(tensor::as_double(take(halves), 0), 1.0);
  EXPECT_EQ(tensor::as_double(take(halves), 1), -2.0);
  pb::TensorProto bytes = tensor_of(3, {2});
  bytes.add_int32_data(-128);
  bytes.add_int32_data(127);
  EXPECT_EQ(tensor::to_int64s(take(bytes)), (std::vector<int64_t>{-128, 127}));
  pb::TensorProto nibbles = tensor_of(22, {3});
  nibbles.add_int32_data(0x7f);
  nibbles.add_int32_data(0x08);
  EXPECT_EQ(tensor::to_int64s(take(nibbles)), (std::vector<int64_t>{-1, 7, -8}));
  pb::TensorProto pairs = tensor_of(25, {5});
  pairs.add_int32_data(0xe4);
  pairs.add_int32_data(0x02);
  EXPECT_EQ(tensor::to_int64s(take(pairs)), (std::vector<int64_t>{0, 1, 2, 3, 2}));
  pb::TensorProto words = tensor_of(12, {1});
  words.add_uint64_data(0xffffffffu);
  EXPECT_EQ(tensor::to_int64s(take(words)), (std::vector<int64_t>{0xffffffff}));
}

TEST(TensorProto, SixBitCodesArePacked) {
  pb::TensorProto t = tensor_of(27, {5});
  for (int code : {1, 63, 32, 21, 5}) t.add_int32_data(code);
  pb::TensorProto kept = t;
  const Tensor out = take_tensor(kept, {});
  ASSERT_EQ(out.bytes(), 4u);
  const auto* p = reinterpret_cast<const uint8_t*>(out.raw());
  EXPECT_EQ(p[0], 1 | (63 & 3) << 6);
  EXPECT_EQ(p[1], 63 >> 2 | (32 & 15) << 4);
  EXPECT_EQ(p[2], 32 >> 4 | 21 << 2);
  EXPECT_EQ(p[3], 5);
  put_tensor(out, kept);
  EXPECT_EQ(bytes_of(kept), bytes_of(t));
}

TEST(TensorProto, BoolsAreZeroOrOne) {
  pb::TensorProto t = tensor_of(9, {3});
  t.set_raw_data(std::string("\0\x02\xff", 3));
  EXPECT_EQ(tensor::to_int64s(take(t)), (std::vector<int64_t>{0, 1, 1}));
}

TEST(TensorProto, DataMustFillTheShape) {
  for (const size_t bytes : {0, 4, 15, 17, 20}) {
    pb::TensorProto t = tensor_of(1, {4});
    t.set_raw_data(std::string(bytes, 'x'));
    const Error error = take_error(t);
    EXPECT_EQ(error.code(), "E13");
    EXPECT_TRUE(error.sentence().starts_with("tensor 't' of shape [4] needs 16 bytes, "))
        << error.sentence();
  }
  for (const int count : {1, 3, 5}) {
    pb::TensorProto t = tensor_of(1, {4});
    for (int i = 0; i < count; ++i) t.add_float_data(1);
    EXPECT_EQ(take_error(t).code(), "E13");
  }
  EXPECT_EQ(take_error(tensor_of(1, {4})).code(), "E13");
  EXPECT_EQ(take_error(tensor_of(8, {4})).code(), "E13");
}

TEST(TensorProto, HugeShapesTakeNoMemory) {
  pb::TensorProto t = tensor_of(1, {int64_t{1} << 26, int64_t{1} << 29});
  t.add_float_data(1);
  EXPECT_EQ(take_error(t).code(), "E13");
  EXPECT_EQ(take_error(tensor_of(1, {int64_t{1} << 62, 4})).kind(), ErrorKind::kLimit);
  EXPECT_EQ(take_error(tensor_of(1, {-1})).code(), "E12");
  // A zero hides the overflow of the others.
  EXPECT_EQ(take(tensor_of(1, {int64_t{1} << 62, 4, 0})).count(), 0);
}

TEST(TensorProto, FieldsMustMatchTheType) {
  pb::TensorProto t = tensor_of(7, {1});
  t.add_float_data(1);
  EXPECT_EQ(take_error(t).code(), "E13");
  pb::TensorProto both = tensor_of(1, {1});
  both.add_float_data(1);
  both.set_raw_data("abcd");
  EXPECT_EQ(take_error(both).code(), "E13");
  EXPECT_EQ(take_error(tensor_of(99, {1})).kind(), ErrorKind::kUnsupported);
}

TEST(TensorProto, RankUpToTheLimit) {
  pb::TensorProto t = tensor_of(1, {});
  for (int i = 0; i < 64; ++i) t.add_dims(1);
  t.set_raw_data("abcd");
  EXPECT_EQ(take(t).rank(), 64);
  t.add_dims(1);
  EXPECT_EQ(take_error(t).code(), "E60");
}

TEST(TensorProto, BytesOfATensorComeBack) {
  const Tensor t = Tensor::of<float>({2, 2}, {1, 2, 3, 4});
  pb::TensorProto proto;
  ASSERT_TRUE(proto.ParseFromString(tensor_bytes(t, "out")));
  EXPECT_EQ(proto.name(), "out");
  EXPECT_TRUE(tensor::same(take(proto), t));
}

}  // namespace
}  // namespace tersor::onnx

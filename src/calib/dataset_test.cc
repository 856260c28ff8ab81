#include "calib/dataset.h"

#include <zlib.h>

#include <cmath>
#include <limits>

#include "calib/arrays.h"
#include "calib/test_support.h"
#include "onnx/onnx.h"

namespace tersor::calib {
namespace {

using ir::Dim;
const Dim N("N"), S("seq");
using Specs = std::vector<InputSpec>;

InputSpec input(ir::Shape shape, DType dtype = DType::kFloat32, std::string name = "x") {
  return {std::move(name), dtype, std::move(shape)};
}

std::vector<Sample> all(const DatasetSpec& spec, const Specs& inputs) {
  const auto data = open_dataset(spec, inputs);
  std::vector<Sample> samples;
  for (Sample s; data->next(s);) samples.push_back(s);
  EXPECT_EQ(static_cast<int64_t>(samples.size()) + data->skipped(), data->size());
  data->reset();
  for (const Sample& s : samples) {
    Sample again;
    EXPECT_TRUE(data->next(again));
    EXPECT_TRUE(again.index == s.index && tensor::same(again.inputs[0].second, s.inputs[0].second));
  }
  return samples;
}

std::vector<Sample> all(const std::filesystem::path& path, const Specs& inputs) {
  return all(DatasetSpec{.path = path.string()}, inputs);
}

Tensor ramp(Dims dims) {
  Tensor t = Tensor::empty(DType::kFloat32, std::move(dims));
  float v = 0;
  for (float& x : t.mutable_data<float>()) x = v++;
  return t;
}

std::string idx(std::vector<uint32_t> dims, const std::string& data, char type = 8) {
  std::string out("\0\0", 2);
  out += type;
  out += static_cast<char>(dims.size());
  for (uint32_t d : dims)
    for (int i = 3; i >= 0; --i) out += static_cast<char>(d >> (8 * i));
  return out + data;
}

std::string gzip(const std::string& bytes) {
  z_stream z{};
  deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, bytes.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

TEST(Dataset, NpySplitsAlongTheBatch) {
  Folder f;
  write_npy(f / "a.npy", ramp({5, 2, 3}), false);
  auto s = all(f / "a.npy", {input({N, 2, 3})});
  ASSERT_EQ(s.size(), 5u);
  EXPECT_EQ(s[4].inputs[0].second.dims(), (Dims{1, 2, 3}));
  EXPECT_EQ(s[4].inputs[0].second.data<float>()[0], 24);
  EXPECT_EQ(s[4].inputs[0].first, "x");
  EXPECT_EQ(s[4].source, (f / "a.npy").string());
  EXPECT_EQ(all(f / "a.npy", {input({1, 2, 3})}).size(), 5u);
  EXPECT_EQ(all(f / "a.npy", {input({2, 3})})[1].inputs[0].second.dims(), (Dims{2, 3}));
  EXPECT_EQ(all(f / "a.npy", {input({5, 2, 3})}).size(), 1u);
  EXPECT_EQ(all(f / "a.npy", {input({S, 2, 3})}).size(), 1u);  // time is no batch
  EXPECT_EQ(all(f / "a.npy", {{"x", DType::kFloat32, std::nullopt}}).size(), 5u);
  const auto whole = all(f / "a.npy", {input({N, 5, 2, 3})});
  ASSERT_EQ(whole.size(), 1u);
  EXPECT_EQ(whole[0].inputs[0].second.dims(), (Dims{1, 5, 2, 3}));
}

TEST(Dataset, NpyInFortranOrder) {
  Folder f;
  std::string bytes = npy_bytes(ramp({3, 2}));
  bytes.replace(bytes.find("False"), 5, "True ");
  f.write("a.npy", bytes);
  const auto s = all(f / "a.npy", {input({N, 2})});
  ASSERT_EQ(s.size(), 3u);
  EXPECT_TRUE(tensor::same(s[1].inputs[0].second, Tensor::of<float>({1, 2}, {1, 4})));
}

TEST(Dataset, ConvertsTypesWithoutLoss) {
  Folder f;
  write_npy(f / "u.npy", Tensor::of<uint8_t>({2, 2}, {1, 2, 3, 255}), false);
  EXPECT_TRUE(tensor::same(all(f / "u.npy", {input({N, 2})})[1].inputs[0].second,
                           Tensor::of<float>({1, 2}, {3, 255})));
  EXPECT_TRUE(tensor::same(all(f / "u.npy", {input({N, 2}, DType::kInt64)})[1].inputs[0].second,
                           Tensor::of<int64_t>({1, 2}, {3, 255})));
  expect_error("E20", "values that int8 cannot hold", [&] {
    all(f / "u.npy", {input({N, 2}, DType::kInt8)});
  });
  write_npy(f / "f.npy", Tensor::of<float>({2}, {1, 2}), false);
  expect_error("E20",
               "item 1 ('" + (f / "f.npy").string() + "') has type float32; input 'x' needs int64",
               [&] { all(f / "f.npy", {input({N}, DType::kInt64)}); });
}

TEST(Dataset, NpzByName) {
  Folder f;
  const Specs two{input({N, S}, DType::kInt64, "ids"), input({N, S}, DType::kInt64, "mask")};
  const Tensor ids = Tensor::of<int64_t>({3, 2}, {1, 2, 3, 4, 5, 6}),
               mask = Tensor::of<int64_t>({3, 2}, {1, 1, 1, 1, 1, 0});
  write_npz(f / "batch.npz", {{"mask", mask}, {"extra", ramp({1})}, {"ids", ids}}, false);
  auto s = all(f / "batch.npz", two);
  ASSERT_EQ(s.size(), 3u);
  EXPECT_TRUE(tensor::same(s[2].inputs[0].second, Tensor::of<int64_t>({1, 2}, {5, 6})));
  EXPECT_TRUE(tensor::same(s[2].inputs[1].second, Tensor::of<int64_t>({1, 2}, {1, 0})));
  write_npz(f / "short.npz", {{"ids", ids}}, false);
  expect_error("E20", "has no array 'mask'; it has 'ids'", [&] { all(f / "short.npz", two); });

  // One file per sample, of different lengths; in the order of their names.
  for (int64_t i = 0; i < 3; ++i) {
    const Tensor t = Tensor::zeros(DType::kInt64, {1, 4 - i});
    const std::string name = "folder/" + std::to_string(i) + ".npz";
    f.write(name, npz_bytes({{"ids", t}, {"mask", t}}));
  }
  s = all(f / "folder", two);
  ASSERT_EQ(s.size(), 3u);
  EXPECT_EQ(s[2].inputs[1].second.dims(), (Dims{1, 2}));

  // State whose first axis is not the batch.
  const Specs lstm{input({S, N, 2}), input({1, N, 3}, DType::kFloat32, "h")};
  write_npz(f / "lstm.npz", {{"x", ramp({5, 2, 2})}, {"h", ramp({1, 2, 3})}}, false);
  EXPECT_EQ(all(f / "lstm.npz", lstm).size(), 1u);

  // The only array of a file serves the only input under any name.
  write_npz(f / "one.npz", {{"arr_0", ramp({2, 2})}}, false);
  EXPECT_EQ(all(f / "one.npz", {input({N, 2})}).size(), 2u);
  expect_error("E20", "the model has 2 inputs ('ids', 'mask'); an .npy file feeds one", [&] {
    write_npy(f / "a.npy", ids, false);
    all(f / "a.npy", two);
  });
}

TEST(Dataset, SaysWhatDoesNotFit) {
  Folder f;
  for (int i = 0; i < 16; ++i)
    write_npy(f / fmt::format("{:02}.npy", i), Tensor::zeros(DType::kFloat32, {1, 3, 4, 4}), false);
  write_npy(f / "bad.npy", Tensor::zeros(DType::kFloat32, {1, 1, 4, 4}), false);
  const Specs inputs{input({N, 3, 4, 4})};
  expect_error("E20",
               "calibration item 17 ('" + (f / "bad.npy").string() +
                   "') has shape [1,1,4,4]; input 'x' needs [N,3,4,4]\n  help: grey images? use "
                   "--preprocess rgb",
               [&] { all(f.string(), inputs); });
  DatasetSpec spec{.path = f.string()};
  spec.skip_bad = true;
  EXPECT_EQ(all(spec, inputs).size(), 16u);
  spec.skip_bad = false;
  spec.preprocess.preset = "rgb";
  EXPECT_EQ(all(spec, inputs).size(), 17u);
  write_npy(f / "zlast.npy", Tensor::zeros(DType::kFloat32, {1, 4, 4, 3}), false);
  expect_error("E20", "the channels stand last", [&] { all(f / "zlast.npy", inputs); });
}

TEST(Dataset, SaysWhereNaNsAre) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(),
                  kInf = std::numeric_limits<float>::infinity();
  Folder f;
  Tensor t = ramp({4, 3});
  t.mutable_data<float>()[6] = t.mutable_data<float>()[7] = kNan;
  write_npy(f / "a.npy", t, false);
  const Specs inputs{input({N, 3})};
  expect_error("E21",
               "calibration item 3 ('" + (f / "a.npy").string() +
                   "') contains 2 NaN values\n  help: fix or remove it; --skip-bad",
               [&] { all(f / "a.npy", inputs); });
  t.mutable_data<float>()[7] = -kInf;
  write_npy(f / "a.npy", t, true);
  expect_error("E21", "contains 1 NaN and 1 infinite values", [&] { all(f / "a.npy", inputs); });
  expect_error("E21", "contains 1 NaN and 1 infinite values", [&] {
    all(f / "a.npy", {input({N, 3}, DType::kFloat16)});
  });
  DatasetSpec spec{.path = (f / "a.npy").string()};
  spec.skip_bad = true;
  const auto s = all(spec, inputs);
  ASSERT_EQ(s.size(), 3u);
  EXPECT_EQ(s[2].index, 3);
  write_npy(f / "only.npy", Tensor::of<float>({1, 1}, {kNan}), true);
  spec.path = (f / "only.npy").string();
  expect_error("E24", "all 1 samples of", [&] { all(spec, {input({N, 1})}); });
}

TEST(Dataset, ImagesByFolder) {
  Folder f;
  const std::string png = slurp(images() / "rgb.png"), jpeg = slurp(images() / "420.jpg");
  f.write("b.JPG", jpeg);
  f.write("a.png", png);
  f.write(".hidden.png", "x");
  f.write("notes.txt", "x");
  const Specs inputs{input({N, 3, 16, 16})};
  DatasetSpec spec{.path = f.string()};
  auto data = open_dataset(spec, inputs);
  EXPECT_EQ(data->size(), 2);
  EXPECT_EQ(data->noun(), "images");
  EXPECT_EQ(data->summary(), "resize 16, ImageNet mean/std");
  EXPECT_NE(data->guessed(), "");
  EXPECT_EQ(all(spec, inputs)[0].source, (f / "a.png").string());
  EXPECT_EQ(all(f / "a.png", inputs).size(), 1u);
  f.write("c.png", png.substr(0, 500));
  expect_error("E23", "damaged PNG picture: it is cut off\n  at: calibration item 3",
               [&] { all(spec, inputs); });
  f.write("c.png", "not a picture");
  expect_error("E23", "is not a JPEG or PNG", [&] { all(spec, inputs); });
  spec.skip_bad = true;
  EXPECT_EQ(all(spec, inputs).size(), 2u);

  Folder classes;
  classes.write("dog/1.png", png);
  classes.write("cat/2.png", png);
  classes.write("cat/1.png", png);
  const auto s = all(classes.string(), inputs);
  ASSERT_EQ(s.size(), 3u);
  EXPECT_EQ(s[0].source, (classes / "cat/1.png").string());
}

TEST(Dataset, Idx) {
  Folder f;
  std::string pixels;
  for (int i = 0; i < 4 * 6; ++i) pixels += static_cast<char>(i * 10);
  const std::string bytes = idx({4, 2, 3}, pixels);
  f.write("images-ubyte", bytes);
  f.write("images-ubyte.gz", gzip(bytes));
  for (const char* name : {"images-ubyte", "images-ubyte.gz"}) {
    const auto s = all(f / name, {input({N, 1, 2, 3})});
    ASSERT_EQ(s.size(), 4u);
    EXPECT_EQ(s[1].inputs[0].second.dims(), (Dims{1, 1, 2, 3}));
    EXPECT_EQ(s[1].inputs[0].second.data<float>()[0], 60 / 255.0f);
  }
  f.write("labels", idx({4}, "\1\2\3\4"));
  DatasetSpec spec{.path = (f / "images-ubyte.gz").string(), .labels = (f / "labels").string()};
  spec.limit = 2;
  const auto few = all(spec, {input({N, 1, 2, 3})});
  ASSERT_EQ(few.size(), 2u);
  EXPECT_EQ(few[1].index, 2);
  EXPECT_EQ(few[1].label, 3);
  spec.rest = true;
  const auto rest = all(spec, {input({N, 1, 2, 3})});
  ASSERT_EQ(rest.size(), 2u);
  EXPECT_EQ(rest[0].index, 1);
  EXPECT_EQ(rest[1].index, 3);

  const Specs inputs{input({N, 1, 2, 3})};
  expect_error("E24", "holds labels", [&] { all(f / "labels", inputs); });
  expect_error("E03", "needs 24 bytes, 23 are there",
               [&] { all(f.write("c", bytes.substr(0, bytes.size() - 1)), inputs); });
  expect_error("E03", "packed data end",
               [&] { all(f.write("c.gz", gzip(bytes).substr(0, 30)), inputs); });
  expect_error("E03", "packed data end",
               [&] { all(f.write("c.gz", gzip(bytes.substr(0, 30))), inputs); });
  std::string broken = gzip(bytes);
  broken[12] = static_cast<char>(broken[12] ^ 0x55);
  EXPECT_THROW(all(f.write("c.gz", broken), inputs), Error);
  expect_error("E23", "no 8-bit pictures", [&] {
    all(f.write("c", idx({1, 1, 1}, "abcd", 12)), inputs);
  });
  expect_error("E60", "200 times", [&] {
    all(f.write("c.gz", gzip(idx({4000, 1000, 1000}, ""))), inputs);
  });
  expect_error("E60", "pixels", [&] {
    all(f.write("c.gz", gzip(idx({0, 100000, 100000}, ""))), inputs);
  });
  expect_error("E24", "holds no samples", [&] { all(f.write("c", idx({0, 2, 3}, "")), inputs); });
}

TEST(Dataset, PixelsInNpy) {
  Folder f;
  write_npy(f / "a.npy", Tensor::of<uint8_t>({2, 1, 2}, {0, 255, 51, 102}), false);
  DatasetSpec spec{.path = (f / "a.npy").string()};
  spec.preprocess.mean = {0};
  const auto s = all(spec, {input({N, 1, 1, 2})});
  EXPECT_TRUE(tensor::same(s[1].inputs[0].second, Tensor::of<float>({1, 1, 1, 2}, {0.2f, 0.4f})));
  write_npy(f / "planar.npy", Tensor::of<uint8_t>({1, 3, 1, 2}, {1, 2, 3, 4, 5, 6}), false);
  spec.path = (f / "planar.npy").string();
  spec.preprocess.std = {1 / 255.0f};
  const auto p = all(spec, {input({N, 3, 1, 2})});
  EXPECT_NEAR(p[0].inputs[0].second.data<float>()[2], 3, 1e-5);
}

TEST(Dataset, OnnxTestData) {
  Folder f;
  for (int i : {0, 2, 10})
    f.write(fmt::format("test_data_set_{}/input_0.pb", i),
            onnx::tensor_bytes(Tensor::of<float>({1, 2}, {float(i), 1}), "x"));
  const auto s = all(f.string(), {input({N, 2})});
  ASSERT_EQ(s.size(), 3u);
  EXPECT_EQ(s[2].inputs[0].second.data<float>()[0], 10);
  EXPECT_EQ(all(f / "test_data_set_2", {input({N, 2})}).size(), 1u);
  expect_error("E01", "input_1.pb", [&] {
    all(f.string(), {input({N, 2}), input({N, 2}, DType::kFloat32, "y")});
  });
}

TEST(Dataset, Random) {
  const Specs inputs{
      input({N, 3, 4, 4}, DType::kFloat32, "image"), input({N, S}, DType::kInt64, "ids"),
      input({N, S}, DType::kInt64, "attention_mask"), input({N, 7}, DType::kFloat32, "features"),
      input({N, 1}, DType::kBool, "flag")};
  DatasetSpec spec{.path = "random:40"};
  const auto data = open_dataset(spec, inputs);
  EXPECT_TRUE(data->synthetic());
  const auto s = all(spec, inputs);
  ASSERT_EQ(s.size(), 40u);
  bool negative = false;
  for (const Sample& sample : s) {
    for (float v : sample.inputs[0].second.data<float>()) EXPECT_TRUE(v >= 0 && v < 1);
    for (int64_t v : sample.inputs[1].second.data<int64_t>()) EXPECT_TRUE(v >= 0 && v < 8);
    for (int64_t v : sample.inputs[2].second.data<int64_t>()) EXPECT_EQ(v, 1);
    for (float v : sample.inputs[3].second.data<float>()) negative |= v < 0;
    EXPECT_EQ(sample.inputs[1].second.dims(), sample.inputs[2].second.dims());
  }
  EXPECT_TRUE(negative);
  EXPECT_FALSE(tensor::same(s[0].inputs[0].second, s[1].inputs[0].second));
  spec.symbols["seq"] = 5;
  EXPECT_EQ(all(spec, inputs)[0].inputs[1].second.dims(), (Dims{1, 5}));
  for (const char* bad : {"random:", "random:0", "random:-1", "random:x", "random:99999999999"})
    expect_error(
        "E50", "random", [&] { open_dataset({.path = bad}, inputs); }, bad);
}

TEST(Dataset, NothingThere) {
  Folder f;
  const Specs inputs{input({N, 3, 4, 4})};
  expect_error("E24", "no pictures, arrays or ONNX test data in",
               [&] { open_dataset({.path = f.string()}, inputs); });
  expect_error("E01", "no such file",
               [&] { open_dataset({.path = (f / "none").string()}, inputs); });
  expect_error("E06", "not a regular file", [&] { open_dataset({.path = "/dev/null"}, inputs); });
  f.write("x.txt", "hello");
  expect_error("E24", "no data set of a known kind",
               [&] { open_dataset({.path = (f / "x.txt").string()}, inputs); });
  f.write("x.png", "");
  expect_error("E23", "", [&] { all(f / "x.png", inputs); });
  write_npy(f / "empty.npy", Tensor::zeros(DType::kFloat32, {0, 3, 4, 4}), false);
  expect_error("E24", "holds no samples",
               [&] { open_dataset({.path = (f / "empty.npy").string()}, inputs); });
}

TEST(Dataset, SpreadsItsLimit) {
  Folder f;
  write_npy(f / "a.npy", ramp({10, 1}), false);
  for (int64_t limit : {1, 3, 7, 10, 11}) {
    DatasetSpec spec{.path = (f / "a.npy").string(), .limit = limit};
    std::vector<bool> seen(10);
    for (const Sample& s : all(spec, {input({N, 1})})) seen[static_cast<size_t>(s.index)] = true;
    EXPECT_EQ(std::count(seen.begin(), seen.end(), true), std::min<int64_t>(limit, 10));
    spec.rest = true;
    for (const Sample& s : all(spec, {input({N, 1})})) {
      EXPECT_FALSE(seen[static_cast<size_t>(s.index)]);
      seen[static_cast<size_t>(s.index)] = true;
    }
    EXPECT_EQ(std::count(seen.begin(), seen.end(), true), 10);
  }
}

TEST(Batcher, StacksWhereTheBatchIsFree) {
  Folder f;
  write_npy(f / "a.npy", ramp({5, 2}), false);
  const auto batches = [&](const Specs& inputs, int64_t wish) {
    const auto data = open_dataset({.path = (f / "a.npy").string()}, inputs);
    Batcher batcher(*data, inputs, wish);
    std::vector<Batch> out;
    for (Batch b; batcher.next(b);) out.push_back(b);
    return out;
  };
  auto free = batches({input({N, 2})}, 2);
  ASSERT_EQ(free.size(), 3u);
  EXPECT_TRUE(tensor::same(free[1].inputs[0].second, Tensor::of<float>({2, 2}, {4, 5, 6, 7})));
  EXPECT_EQ(free[1].indices, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(free[2].count, 1);
  EXPECT_EQ(batches({input({1, 2})}, 4).size(), 5u);
  EXPECT_EQ(batches({input({S, 2})}, 4).size(), 1u);
  auto fixed = batches({input({3, 2})}, 1);
  ASSERT_EQ(fixed.size(), 2u);
  EXPECT_EQ(fixed[1].count, 2);
  EXPECT_EQ(fixed[1].inputs[0].second.dims(), (Dims{3, 2}));
}

TEST(Batcher, FillsAFixedBatch) {
  Folder f;
  for (int i = 0; i < 5; ++i)
    write_npy(f / fmt::format("{}.npy", i), Tensor::of<float>({1, 1}, {float(i)}), false);
  const Specs inputs{input({3, 1})};
  const auto data = open_dataset({.path = f.string()}, inputs);
  Batcher batcher(*data, inputs, 1);
  Batch b;
  ASSERT_TRUE(batcher.next(b));
  EXPECT_TRUE(tensor::same(b.inputs[0].second, Tensor::of<float>({3, 1}, {0, 1, 2})));
  ASSERT_TRUE(batcher.next(b));
  EXPECT_EQ(b.count, 2);
  EXPECT_TRUE(tensor::same(b.inputs[0].second, Tensor::of<float>({3, 1}, {3, 4, 4})));
  EXPECT_FALSE(batcher.next(b));
}

TEST(Batcher, KeepsShapesApart) {
  Folder f;
  const int64_t lengths[] = {4, 4, 6, 4};
  for (int i = 0; i < 4; ++i)
    f.write(fmt::format("{}.npz", i),
            npz_bytes({{"x", Tensor::zeros(DType::kFloat32, {1, lengths[i]})}}));
  const Specs inputs{input({N, S})};
  const auto data = open_dataset({.path = f.string()}, inputs);
  Batcher batcher(*data, inputs, 8);
  std::vector<Dims> dims;
  for (Batch b; batcher.next(b);) dims.push_back(b.inputs[0].second.dims());
  EXPECT_EQ(dims, (std::vector<Dims>{{2, 4}, {1, 6}, {1, 4}}));
}

TEST(DataCheck, Warns) {
  Folder f;
  const auto codes = [&](const Tensor& t, bool random = false) {
    write_npy(f / "a.npy", t, true);
    const Specs inputs{input({N, 1, 2, 2})};
    const auto data = open_dataset({.path = random ? "random:40" : (f / "a.npy").string()}, inputs);
    DataCheck check;
    for (Sample s; data->next(s);) check.observe(s);
    std::string text;
    for (const Warning& w : check.finish(*data)) text += w.code + " ";
    return text;
  };
  Tensor good = ramp({40, 1, 2, 2});
  for (float& v : good.mutable_data<float>()) v = v / 80 - 1;
  EXPECT_EQ(codes(good), "");
  EXPECT_EQ(codes(good, true), "W23 ");
  EXPECT_EQ(codes(Tensor::zeros(DType::kFloat32, {40, 1, 2, 2})), "W21 ");
  EXPECT_EQ(codes(ramp({31, 1, 2, 2})), "W20 W22 ");
}

TEST(Labels, OfAllKinds) {
  Folder f;
  const std::vector<std::string> names{"a.png", "cat/b.png", "c.png"}, none(3);
  const std::vector<int64_t> expected{5, 6, -7};
  const auto read = [&](const std::string& bytes, const std::vector<std::string>& items) {
    return read_labels(f.write("l", bytes).string(), items, "images");
  };
  EXPECT_EQ(read("label\n5\n6\n-7\n", none), expected);
  EXPECT_EQ(read("\xef\xbb\xbflabel\r\n5\r\n\r\n6\r\n-7", names), expected);
  EXPECT_EQ(read("file,label\nc.png,-7\nb.png,6\n\"a.png\",5\nother.png,1\n", names), expected);
  EXPECT_EQ(read("label,id,file\n6,x,cat/b.png\n-7,\"y,z\",c.png\n5,,a.png\n", names), expected);
  EXPECT_EQ(read("file,label\n1,5\n2,6\n3,-7\n", none), expected);
  EXPECT_EQ(read(npy_bytes(Tensor::of<int32_t>({3}, {5, 6, -7})), names), expected);
  EXPECT_EQ(read(npy_bytes(Tensor::of<float>({3, 1}, {5, 6, -7})), names), expected);
  EXPECT_EQ(read(idx({3}, "\5\6\xf9", 9), names), expected);
  EXPECT_EQ(read(gzip(idx({3}, std::string("\0\0\0\5\0\0\0\6\xff\xff\xff\xf9", 12), 12)), names),
            expected);

  expect_error("E22",
               "3 images but 2 labels in '" + (f / "l").string() +
                   "' (first image without a label: 'c.png')",
               [&] { read("label\n5\n6\n", names); });
  expect_error("E22", "3 images but 4 labels", [&] { read("label\n5\n6\n7\n8\n", names); });
  expect_error("E22", "(first image without a label: 'cat/b.png')",
               [&] { read("file,label\na.png,1\nc.png,2\n", names); });
  expect_error("E22", "(first image without a label: number 3)",
               [&] { read(idx({2}, "ab"), none); });
  expect_error("E22", "'cat' in line 3 is not a whole number",
               [&] { read("label\n1\ncat\n", names); });
  expect_error("E22", "line 2 has 1 fields instead of 2", [&] { read("file,label\n1\n", names); });
  expect_error("E22", "no column 'label'", [&] { read("1\n2\n3\n", names); });
  expect_error("E22", "has the labels 1 and 2", [&] { read("file,label\na,1\na,2\n", names); });
  expect_error("E22", "value 2 is not a whole number", [&] {
    read(npy_bytes(Tensor::of<float>({2}, {1, 0.5f})), names);
  });
  expect_error("E22", "shape", [&] { read(idx({1, 2}, "ab"), names); });
  expect_error("E01", "no such file", [&] { read_labels("/nowhere/labels", names); });
  std::vector<std::string> many(5000);
  for (size_t i = 0; i < many.size(); ++i) many[i] = fmt::format("{:04}", i);
  expect_error("E22", "5 000 images but 4 999 labels in",
               [&] { read(idx({4999}, std::string(4999, 'a')), many); });
}

}  // namespace
}  // namespace tersor::calib

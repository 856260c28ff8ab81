#include "calib/preprocess.h"

#include "calib/arrays.h"
#include "calib/test_support.h"

namespace tersor::calib {
namespace {

using ir::Dim;
const Dim N("N"), H("H"), W("W");

InputSpec input(ir::Shape shape, DType dtype = DType::kFloat32) { return {"x", dtype, shape}; }

TEST(Preprocess, GuessesFromTheShape) {
  const struct {
    const char* what;
    InputSpec input;
    const char* source;
    const char* summary;
    Layout layout;
  } cases[] = {
      {"imagenet", input({N, 3, 224, 224}), "", "resize 256, crop 224, ImageNet mean/std",
       Layout::kNchw},
      {"nhwc", input({1, 240, 240, 3}), "", "resize 274, crop 240, ImageNet mean/std",
       Layout::kNhwc},
      {"open size", input({N, 3, H, W}), "", "resize 256, crop 224, ImageNet mean/std",
       Layout::kNchw},
      {"open all",
       {"x", DType::kFloat32, std::nullopt},
       "",
       "resize 256, crop 224, ImageNet mean/std",
       Layout::kNchw},
      {"not square", input({N, 3, 32, 100}), "", "resize 100x32, ImageNet mean/std", Layout::kNchw},
      {"small", input({N, 3, 32, 32}), "", "resize 32, ImageNet mean/std", Layout::kNchw},
      {"gray", input({N, 1, 28, 28}), "", "resize 28, gray, values 0 to 1", Layout::kNchw},
      {"fashion", input({N, 1, 28, 28}), "/x/fashion-mnist/t10k",
       "resize 28, gray, Fashion-MNIST mean/std", Layout::kNchw},
      {"no batch", input({3, 224, 224}), "", "resize 256, crop 224, ImageNet mean/std",
       Layout::kNchw},
      {"bytes", input({1, 224, 224, 3}, DType::kUint8), "", "resize 256, crop 224, values 0 to 255",
       Layout::kNhwc},
      {"flat", input({N, 784}), "", "resize 28, gray, values 0 to 1", Layout::kNchw},
  };
  for (const auto& c : cases) {
    const Pipeline p = resolve({}, c.input, c.source);
    EXPECT_EQ(p.summary, c.summary) << c.what;
    EXPECT_EQ(p.layout, c.layout) << c.what;
    EXPECT_NE(p.guessed.find("guessed"), std::string::npos) << c.what;
  }
}

TEST(Preprocess, TakesWhatIsAsked) {
  Preprocess p;
  p.preset = "imagenet";
  EXPECT_EQ(resolve(p, input({N, 3, 224, 224})).guessed, "");
  p.crop = Size{200, 200};
  EXPECT_EQ(resolve(p, input({N, 3, H, W})).summary, "resize 229, crop 200, ImageNet mean/std");
  expect_error("E50", "--crop 200 does not fit", [&] { resolve(p, input({N, 3, 224, 224})); });
  p.crop.reset();
  p.resize = Resize{240, {}};
  EXPECT_EQ(resolve(p, input({N, 3, 224, 224})).summary, "resize 240, crop 224, ImageNet mean/std");

  Preprocess own;
  own.mean = {127.5f};
  own.std = {127.5f};
  own.resize = Resize{0, {224, 224}};
  const Pipeline q = resolve(own, input({N, 3, 224, 224}));
  EXPECT_EQ(q.divisor, 1);
  EXPECT_EQ(q.summary, "resize 224, mean 127.5, std 127.5");
  EXPECT_EQ(q.guessed, "");

  Preprocess bgr;
  bgr.preset = "bgr";
  const Pipeline b = resolve(bgr, input({N, 3, 224, 224}));
  EXPECT_EQ(b.channels, Channels::kBgr);
  EXPECT_FLOAT_EQ(b.mean[0], 0.406f);

  Preprocess none;
  none.preset = "none";
  EXPECT_EQ(resolve(none, input({N, 3, 224, 224})).summary, "values 0 to 255");
  Preprocess fashion;
  fashion.preset = "fashion-mnist";
  EXPECT_EQ(resolve(fashion, input({N, 1, H, W})).summary,
            "resize 28, gray, Fashion-MNIST mean/std");
}

TEST(Preprocess, RefusesWhatDoesNotFit) {
  for (const ir::Shape& shape : {ir::Shape{N, 4, 224, 224}, ir::Shape{N, 10}, ir::Shape{N},
                                 ir::Shape{N, 3, 4, 4, 4}, ir::Shape{N, 3, 0, 4}, ir::Shape{}})
    expect_error("E20", "pictures do not fit input 'x'", [&] { resolve({}, input(shape)); });
  Preprocess p;
  p.mean = {1, 2};
  expect_error("E50", "--mean has 2 numbers", [&] { resolve(p, input({N, 3, 8, 8})); });
  p.mean = {};
  p.std = {0};
  expect_error("E50", "--std", [&] { resolve(p, input({N, 3, 8, 8})); });
  p.std = {};
  p.channels = Channels::kRgb;
  expect_error("E50", "takes one channel", [&] { resolve(p, input({N, 1, 8, 8})); });
  p.channels.reset();
  p.preset = "imagenet";
  expect_error("E50", "one channel", [&] { resolve(p, input({N, 1, 8, 8})); });
}

TEST(Preprocess, ReadsFlags) {
  EXPECT_EQ(parse_resize("256"), (Resize{256, {}}));
  EXPECT_EQ(parse_resize("320x240"), (Resize{0, {320, 240}}));
  EXPECT_EQ(parse_crop("224"), (Size{224, 224}));
  EXPECT_EQ(parse_numbers("0.5, 1,2"), (std::vector<float>{0.5f, 1, 2}));
  for (const char* bad : {"", "0", "-1", "x", "3x", "x3", "3x0", "256 ", "99999999999", "65536"}) {
    expect_error(
        "E50", "--resize", [&] { parse_resize(bad); }, bad);
    expect_error(
        "E50", "--crop", [&] { parse_crop(bad); }, bad);
  }
  for (const char* bad : {"", ",", "1,2,3,4", "nan", "1,,2", "a"})
    expect_error(
        "E50", "--mean", [&] { parse_numbers(bad); }, bad);
  expect_error("E50", "did you mean 'imagenet'?", [] { parse_preset("image-net"); });
  expect_error("E50", "nchw or nhwc", [] { parse_layout("nc"); });
  EXPECT_EQ(parse_channels("grey"), Channels::kGray);
}

TEST(Preprocess, EqualsTorchvision) {
  Preprocess p;
  p.preset = "imagenet";
  p.resize = Resize{20, {}};
  const Image scene = read_image(images() / "scene.png");
  const Tensor expected = read_npy(images() / "scene.png-imagenet17.npy");
  EXPECT_TRUE(tensor::same(apply(resolve(p, input({N, 3, 17, 17})), scene), expected));
  // The same numbers channels-last, and without the batch axis.
  const Tensor last = apply(resolve(p, input({N, 17, 17, 3})), scene);
  const Tensor plain = apply(resolve(p, input({3, 17, 17})), scene);
  ASSERT_EQ(last.dims(), (Dims{1, 17, 17, 3}));
  ASSERT_EQ(plain.dims(), (Dims{3, 17, 17}));
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t i = 0; i < 289; ++i) {
      const float e = expected.data<float>()[static_cast<size_t>(c * 289 + i)];
      ASSERT_EQ(last.data<float>()[static_cast<size_t>(3 * i + c)], e);
      ASSERT_EQ(plain.data<float>()[static_cast<size_t>(c * 289 + i)], e);
    }
  const Tensor half = apply(resolve(p, input({N, 3, 17, 17}, DType::kFloat16)), scene);
  EXPECT_TRUE(tensor::same(half, tensor::cast(expected, DType::kFloat16)));
}

TEST(Preprocess, OrdersChannels) {
  const Image pixel{1, 1, 3, {10, 20, 30}};
  Preprocess p;
  p.preset = "none";
  EXPECT_TRUE(tensor::same(apply(resolve(p, input({N, 3, 1, 1})), pixel),
                           Tensor::of<float>({1, 3, 1, 1}, {10, 20, 30})));
  p.channels = Channels::kBgr;
  p.layout = Layout::kNhwc;
  EXPECT_TRUE(tensor::same(apply(resolve(p, input({N, 1, 1, 3}, DType::kUint8)), pixel),
                           Tensor::of<uint8_t>({1, 1, 1, 3}, {30, 20, 10})));
  p.channels = Channels::kGray;
  p.layout.reset();
  EXPECT_TRUE(tensor::same(apply(resolve(p, input({N, 3, 1, 1})), pixel),
                           Tensor::of<float>({1, 3, 1, 1}, {18, 18, 18})));
  EXPECT_TRUE(tensor::same(apply(resolve(p, input({N, 1, 1, 1})), pixel),
                           Tensor::of<float>({1, 1, 1, 1}, {18})));
  const Image gray{2, 1, 1, {7, 9}};
  p.channels.reset();
  EXPECT_TRUE(tensor::same(apply(resolve(p, input({N, 3, 1, 2})), gray),
                           Tensor::of<float>({1, 3, 1, 2}, {7, 9, 7, 9, 7, 9})));
}

}  // namespace
}  // namespace tersor::calib

#include "calib/image.h"

#include <algorithm>
#include <random>

#include "calib/arrays.h"
#include "calib/test_support.h"

namespace tersor::calib {
namespace {

// Largest difference of a picture from a stored array of [H, W] or [H, W, 3].
int distance(const Image& image, const std::filesystem::path& file) {
  const Tensor t = read_npy(file);
  EXPECT_EQ(t.dim(0), image.height) << file;
  EXPECT_EQ(t.dim(1), image.width) << file;
  EXPECT_EQ(t.rank() == 3 ? t.dim(2) : 1, image.channels) << file;
  if (static_cast<size_t>(t.count()) != image.pixels.size()) return 256;
  int largest = 0;
  for (size_t i = 0; i < image.pixels.size(); ++i)
    largest = std::max(largest, std::abs(image.pixels[i] - t.data<uint8_t>()[i]));
  return largest;
}

std::string stored(const std::string& name, const std::string& kind = {}) {
  return (images() / (name + kind + ".npy")).string();
}

TEST(Image, DecodesAsPillow) {
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(images())) {
    const std::string name = entry.path().filename().string();
    if (!has_image_name(entry.path())) continue;
    const Image image = read_image(entry.path());
    if (std::filesystem::exists(stored(name))) {
      EXPECT_EQ(distance(image, stored(name)), 0) << name;
      ++seen;
    }
    if (!std::filesystem::exists(stored(name, "-gray"))) continue;
    EXPECT_EQ(distance(to_gray(image), stored(name, "-gray")), 0) << name;
  }
  EXPECT_GE(seen, 17);
}

TEST(Image, ResizesAsPillow) {
  int seen = 0;
  for (const std::string name : {"scene.png", "tiny.png"}) {
    const Image image = read_image(images() / name);
    for (const auto& entry : std::filesystem::directory_iterator(images())) {
      const std::string file = entry.path().filename().string();
      int width = 0, height = 0;
      if (std::sscanf(file.c_str(), (name + "-%dx%d.npy").c_str(), &width, &height) != 2) continue;
      EXPECT_EQ(distance(resize_bilinear(image, width, height), entry.path()), 0) << file;
      ++seen;
    }
  }
  EXPECT_EQ(seen, 9);
  const Image gray = to_gray(read_image(images() / "scene.png"));
  EXPECT_EQ(distance(resize_bilinear(gray, 28, 28), stored("scene.png-gray-28x28")), 0);
}

TEST(Image, CropsFromTheMiddle) {
  Image image{5, 4, 1, {}};
  for (uint8_t i = 0; i < 20; ++i) image.pixels.push_back(static_cast<uint8_t>(i + 1));
  EXPECT_EQ(center_crop(image, 3, 2).pixels, (std::vector<uint8_t>{7, 8, 9, 12, 13, 14}));
  // (5 - 2) / 2 = 1.5 goes to 2, (4 - 3) / 2 = 0.5 to 0.
  EXPECT_EQ(center_crop(image, 2, 3).pixels, (std::vector<uint8_t>{3, 4, 8, 9, 13, 14}));
  const Image padded = center_crop(image, 8, 1);
  EXPECT_EQ(padded.pixels, (std::vector<uint8_t>{0, 11, 12, 13, 14, 15, 0, 0}));
}

TEST(Image, ConstantStaysConstant) {
  for (int in : {1, 2, 7, 100})
    for (int out : {1, 3, 64, 199}) {
      Image image{in, in, 3, {}};
      image.pixels.assign(static_cast<size_t>(in * in * 3), 255);
      EXPECT_TRUE(std::ranges::all_of(resize_bilinear(image, out, out).pixels,
                                      [](uint8_t p) { return p == 255; }));
    }
}

TEST(Image, RefusesWhatIsNone) {
  expect_error("E23", "is not a JPEG or PNG", [] { decode_image("", "x"); });
  expect_error("E23", "is not a JPEG or PNG", [] { decode_image("GIF89a", "x"); });
  expect_error("E01", "no such file", [] { read_image("/nowhere/x.png"); });
  Image image{1, 1, 1, {0}};
  expect_error("E60", "limit", [&] { resize_bilinear(image, 60000, 60000); });
  expect_error("E23", "resized", [&] { resize_bilinear(image, 0, 5); });
}

TEST(Image, RefusesTruncatedFiles) {
  for (const auto& entry : std::filesystem::directory_iterator(images())) {
    if (!has_image_name(entry.path())) continue;
    const std::string bytes = slurp(entry.path());
    const size_t step = bytes.size() / 60 + 1;
    for (size_t n = 0; n < bytes.size() - 2; n += step)
      expect_error(
          "E23", "'x'", [&] { decode_image(bytes.substr(0, n), "x"); },
          entry.path().filename().string() + " at " + std::to_string(n));
  }
}

TEST(Image, SurvivesDamage) {
  std::mt19937 rng(1);
  for (const auto& entry : std::filesystem::directory_iterator(images())) {
    if (!has_image_name(entry.path())) continue;
    const std::string good = slurp(entry.path());
    for (int i = 0; i < 100; ++i) {
      std::string bytes = good;
      for (int k = 0; k < 1 + i % 4; ++k) bytes[rng() % bytes.size()] = static_cast<char>(rng());
      try {
        const Image image = decode_image(bytes, "x");
        EXPECT_EQ(image.pixels.size(),
                  size_t(image.width) * size_t(image.height) * size_t(image.channels));
      } catch (const Error& e) {
        EXPECT_TRUE(e.code() == "E23" || e.code() == "E60") << e.describe();
      }
    }
  }
}

TEST(Image, LimitsPixelsByTheHeader) {
  std::string png = slurp(images() / "rgb.png");
  // 10,001 x 10,000; the checksum of the header (zlib's crc32 of "IHDR" and its 13 bytes) is set
  // below.
  const auto set = [&](size_t at, uint32_t v) {
    for (size_t i = 0; i < 4; ++i) png[at + i] = static_cast<char>(v >> (24 - 8 * i));
  };
  const auto crc = [&] {
    uint32_t c = 0xffffffff;
    for (size_t i = 12; i < 29; ++i) {
      c ^= static_cast<unsigned char>(png[i]);
      for (int k = 0; k < 8; ++k) c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0);
    }
    return ~c;
  };
  set(16, 10001);
  set(20, 10000);
  set(29, crc());
  expect_error("E60", "10001 x 10000 pixels", [&] { decode_image(png, "x"); });
  set(16, 10000);  // at the limit: goes on, and finds too few data
  set(29, crc());
  expect_error("E23", "'x'", [&] { decode_image(png, "x"); });

  std::string jpeg = slurp(images() / "420.jpg");
  const size_t frame = jpeg.find("\xff\xc0");
  jpeg.replace(frame + 5, 4, "\xff\x00\xff\x00", 4);
  expect_error("E60", "65280 x 65280 pixels", [&] { decode_image(jpeg, "x"); });
}

TEST(Image, LimitsScans) {
  // A progressive file whose last scan (2 bytes of data behind its header) comes again and again.
  const std::string good = slurp(images() / "progressive.jpg");
  const size_t last = good.rfind("\xff\xda");
  const std::string scan = good.substr(last, good.size() - 2 - last);
  std::string bytes = good.substr(0, last);
  for (int i = 0; i < 600; ++i) bytes += scan;
  bytes += "\xff\xd9";
  expect_error("E23", "", [&] { decode_image(bytes, "x"); });
}

}  // namespace
}  // namespace tersor::calib

#include "calib/image.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/limits.h"
#include "calib/decoders.h"

namespace tersor::calib {

Image decode_image(std::string_view bytes, const std::string& name) {
  const bool jpeg = bytes.starts_with("\xff\xd8\xff");
  const bool png = bytes.starts_with("\x89PNG\r\n\x1a\n");
  if (!jpeg && !png) base::fail_input("E23", "{} is not a JPEG or PNG picture", base::quoted(name));
  Image image;
  std::string message;
  const Decoded result =
      jpeg ? decode_jpeg(bytes, image, message) : decode_png(bytes, image, message);
  if (result == Decoded::kTooLarge)
    base::fail(ErrorKind::kLimit, "E60", "{} has {}, more than the limit of {}", base::quoted(name),
               message, limits::kImagePixels);
  if (result == Decoded::kBad)
    throw Error(ErrorKind::kInput, "E23",
                fmt::format("{} is a damaged {} picture: {}", base::quoted(name),
                            jpeg ? "JPEG" : "PNG", base::printable(message)),
                "fix or remove it; --skip-bad ignores such items");
  return image;
}

Image read_image(const std::filesystem::path& path) {
  return decode_image(base::read_file(path, limits::kDataFileBytes), path.string());
}

bool has_image_name(const std::filesystem::path& path) {
  std::string end = path.extension().string();
  std::ranges::transform(end, end.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return end == ".jpg" || end == ".jpeg" || end == ".png";
}

Image to_gray(Image image) {
  if (image.channels == 1) return image;
  Image gray{image.width, image.height, 1, {}};
  gray.pixels.resize(image.pixels.size() / 3);
  for (size_t i = 0; i < gray.pixels.size(); ++i) {
    const uint8_t* p = image.pixels.data() + 3 * i;
    gray.pixels[i] =
        static_cast<uint8_t>((p[0] * 19595u + p[1] * 38470u + p[2] * 7471u + 0x8000u) >> 16);
  }
  return gray;
}

Image to_rgb(Image image) {
  if (image.channels == 3) return image;
  Image rgb{image.width, image.height, 3, {}};
  rgb.pixels.resize(image.pixels.size() * 3);
  for (size_t i = 0; i < image.pixels.size(); ++i)
    std::fill_n(rgb.pixels.begin() + static_cast<std::ptrdiff_t>(3 * i), 3, image.pixels[i]);
  return rgb;
}

Image center_crop(Image image, int width, int height) {
  if (image.width == width && image.height == height) return image;
  // The offset of the picture inside the result (negative: it is cut); half to even where it is
  // cut, down where it is padded.
  const auto offset = [](int have, int want) {
    return have >= want ? -static_cast<int>(std::nearbyint((have - want) / 2.0))
                        : (want - have) / 2;
  };
  const int left = offset(image.width, width), top = offset(image.height, height);
  const auto channels = static_cast<size_t>(image.channels);
  Image out{width, height, image.channels, {}};
  out.pixels.resize(static_cast<size_t>(width) * static_cast<size_t>(height) * channels);
  const int x0 = std::max(left, 0), x1 = std::min(left + image.width, width);
  for (int y = std::max(top, 0); y < std::min(top + image.height, height) && x0 < x1; ++y)
    std::copy_n(image.row(y - top) + static_cast<size_t>(x0 - left) * channels,
                static_cast<size_t>(x1 - x0) * channels,
                out.row(y) + static_cast<size_t>(x0) * channels);
  return out;
}

}  // namespace tersor::calib

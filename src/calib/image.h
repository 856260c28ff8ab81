// Pictures as 8-bit pixels: decoding JPEG and PNG, and Pillow's antialiased bilinear resize.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace tersor::calib {

// Rows from top to bottom, pixels from left to right, channels interleaved: 1 (gray) or 3 (red,
// green, blue).
struct Image {
  int width = 0, height = 0, channels = 0;
  std::vector<uint8_t> pixels;
  const uint8_t* row(int y) const {
    return pixels.data() + size_t(y) * size_t(width) * size_t(channels);
  }
  uint8_t* row(int y) { return pixels.data() + size_t(y) * size_t(width) * size_t(channels); }
};

// Told apart by their first bytes. Gray stays gray; CMYK becomes RGB, palettes are resolved, alpha
// is dropped, 16 bits are cut to 8. Every warning of the JPEG decoder is an error: E23 names the
// file and the reason. E60: too many pixels.
Image decode_image(std::string_view bytes, const std::string& name);
Image read_image(const std::filesystem::path& path);
// True if the file name ends as those of pictures do.
bool has_image_name(const std::filesystem::path& path);

Image to_gray(Image image);  // (19595 R + 38470 G + 7471 B + 2^15) >> 16, as Pillow
Image to_rgb(Image image);   // gray repeated

// Bit for bit Pillow's resize(BILINEAR): a triangle filter as wide as the scale, horizontal then
// vertical, weights of 22 fractional bits, rounded to 8 bits between the passes. Sides > 0.
Image resize_bilinear(Image image, int width, int height);
// As torchvision's center_crop: centred (half to even), black where the picture is smaller.
Image center_crop(Image image, int width, int height);

}  // namespace tersor::calib

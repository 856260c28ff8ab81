#include <png.h>

#include <cstring>

#include "base/limits.h"
#include "calib/decoders.h"

namespace tersor::calib {
namespace {

// As in jpeg.cc: libpng is left by longjmp, so what has a destructor lives outside.
struct PngState {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::string_view bytes;
  size_t at = 0;
  char message[256] = {};
  std::vector<png_bytep> rows;
  uint32_t width = 0, height = 0;

  PngState() = default;
  ~PngState() {
    if (png) png_destroy_read_struct(&png, &info, nullptr);
  }
  PngState(const PngState&) = delete;
  PngState& operator=(const PngState&) = delete;
};

[[noreturn]] void on_error(png_structp png, png_const_charp text) {
  auto& state = *static_cast<PngState*>(png_get_error_ptr(png));
  std::strncpy(state.message, text, sizeof state.message - 1);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep into, size_t length) {
  auto& state = *static_cast<PngState*>(png_get_io_ptr(png));
  if (length > state.bytes.size() - state.at) png_error(png, "it is cut off");
  std::memcpy(into, state.bytes.data() + state.at, length);
  state.at += length;
}

Decoded run(PngState& state, Image& image) {
  if (setjmp(png_jmpbuf(state.png)) != 0) return Decoded::kBad;
  png_structp png = state.png;
  png_set_read_fn(png, &state, on_read);
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_read_info(png, state.info);
  state.width = png_get_image_width(png, state.info);
  state.height = png_get_image_height(png, state.info);
  if (uint64_t{state.width} * state.height > limits::kImagePixels) return Decoded::kTooLarge;
  png_set_expand(png);  // palettes to RGB, 1, 2 and 4 bits to 8
  png_set_strip_16(png);
  png_set_strip_alpha(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, state.info);
  const int channels = png_get_channels(png, state.info);
  const size_t stride = png_get_rowbytes(png, state.info);
  if ((channels != 1 && channels != 3) ||
      stride != size_t{state.width} * static_cast<size_t>(channels))
    png_error(png, "an unusual pixel format");
  image.width = static_cast<int>(state.width);
  image.height = static_cast<int>(state.height);
  image.channels = channels;
  image.pixels.resize(stride * state.height);
  state.rows.resize(state.height);
  for (uint32_t y = 0; y < state.height; ++y) state.rows[y] = image.pixels.data() + stride * y;
  png_read_image(png, state.rows.data());
  png_read_end(png, nullptr);
  return Decoded::kOk;
}

}  // namespace

Decoded decode_png(std::string_view bytes, Image& image, std::string& message) {
  PngState state;
  state.bytes = bytes;
  state.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &state, on_error, on_warning);
  if (state.png) state.info = png_create_info_struct(state.png);
  if (!state.info) {
    message = "not enough memory";
    return Decoded::kBad;
  }
  const Decoded result = run(state, image);
  if (result == Decoded::kBad) message = state.message;
  if (result == Decoded::kTooLarge)
    message = std::to_string(state.width) + " x " + std::to_string(state.height) + " pixels";
  return result;
}

}  // namespace tersor::calib

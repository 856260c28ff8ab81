#include <csetjmp>
#include <cstdio>

// Needs size_t and FILE before it.
#include <jpeglib.h>

#include "base/limits.h"
#include "calib/decoders.h"

namespace tersor::calib {
namespace {

// libjpeg reports by callbacks and is left by longjmp: between setjmp and the jump no object with a
// destructor may be born, so all state lives here.
struct JpegState {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX] = {};
  bool created = false;

  JpegState() = default;
  ~JpegState() {
    if (created) jpeg_destroy_decompress(&info);
  }
  JpegState(const JpegState&) = delete;
  JpegState& operator=(const JpegState&) = delete;
};

JpegState& state_of(j_common_ptr info) { return *static_cast<JpegState*>(info->client_data); }

void on_error(j_common_ptr info) {
  JpegState& state = state_of(info);
  info->err->format_message(info, state.message);
  std::longjmp(state.jump, 1);
}

void on_message(j_common_ptr info, int level) {
  if (level < 0) on_error(info);  // a warning: the data are damaged
}

void on_output(j_common_ptr) {}

void on_progress(j_common_ptr info) {
  const auto* decompress = reinterpret_cast<j_decompress_ptr>(info);
  if (decompress->input_scan_number <= limits::kJpegScans) return;
  JpegState& state = state_of(info);
  std::snprintf(state.message, sizeof state.message, "more than %d scans", limits::kJpegScans);
  std::longjmp(state.jump, 1);
}

Decoded run(JpegState& state, std::string_view bytes, Image& image) {
  auto* info = &state.info;
  if (setjmp(state.jump) != 0) return Decoded::kBad;
  info->err = jpeg_std_error(&state.errors);
  state.errors.error_exit = on_error;
  state.errors.emit_message = on_message;
  state.errors.output_message = on_output;
  info->client_data = &state;
  jpeg_create_decompress(info);
  state.created = true;
  state.progress.progress_monitor = on_progress;
  info->progress = &state.progress;
  jpeg_mem_src(info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(info, TRUE);
  if (uint64_t{info->image_width} * info->image_height > limits::kImagePixels)
    return Decoded::kTooLarge;
  const bool cmyk = info->jpeg_color_space == JCS_CMYK || info->jpeg_color_space == JCS_YCCK;
  info->out_color_space = cmyk                                      ? JCS_CMYK
                          : info->jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE
                                                                    : JCS_RGB;
  jpeg_start_decompress(info);
  image.width = static_cast<int>(info->output_width);
  image.height = static_cast<int>(info->output_height);
  image.channels = info->output_components;
  image.pixels.resize(size_t{info->output_width} * info->output_height *
                      static_cast<size_t>(info->output_components));
  while (info->output_scanline < info->output_height) {
    JSAMPROW row = image.row(static_cast<int>(info->output_scanline));
    jpeg_read_scanlines(info, &row, 1);
  }
  jpeg_finish_decompress(info);
  return Decoded::kOk;
}

uint8_t scaled(int a, int b) {  // a * b / 255, rounded
  const int t = a * b + 128;
  return static_cast<uint8_t>((t + (t >> 8)) >> 8);
}

// As Pillow: what is neither ink nor black remains. Adobe stores inks inverted.
void cmyk_to_rgb(Image& image, bool inverted) {
  const size_t count = size_t(image.width) * size_t(image.height);
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* from = image.pixels.data() + 4 * i;
    const auto ink = [&](int c) { return inverted ? 255 - from[c] : from[c]; };
    const int light = 255 - ink(3);
    uint8_t rgb[3];
    for (int c = 0; c < 3; ++c) rgb[c] = static_cast<uint8_t>(light - scaled(ink(c), light));
    for (size_t c = 0; c < 3; ++c) image.pixels[3 * i + c] = rgb[c];
  }
  image.channels = 3;
  image.pixels.resize(3 * count);
}

}  // namespace

Decoded decode_jpeg(std::string_view bytes, Image& image, std::string& message) {
  JpegState state;
  const Decoded result = run(state, bytes, image);
  if (result == Decoded::kBad) message = state.message;
  if (result == Decoded::kTooLarge)
    message = std::to_string(state.info.image_width) + " x " +
              std::to_string(state.info.image_height) + " pixels";
  if (result == Decoded::kOk && image.channels == 4)
    cmyk_to_rgb(image, state.info.saw_Adobe_marker != 0);
  return result;
}

}  // namespace tersor::calib

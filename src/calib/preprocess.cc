#include "calib/preprocess.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/checked.h"
#include "base/error.h"
#include "base/file.h"
#include "base/limits.h"
#include "calib/shapes.h"

namespace tersor::calib {
namespace {

constexpr int kMaxSide = 65535;
constexpr std::array<float, 3> kImagenetMean{0.485f, 0.456f, 0.406f};
constexpr std::array<float, 3> kImagenetStd{0.229f, 0.224f, 0.225f};

[[noreturn]] void fail_flag(std::string_view flag, std::string_view text, const char* help) {
  throw Error(ErrorKind::kUsage, "E50",
              fmt::format("bad value {} for {}", base::quoted(text), flag), help);
}

template <typename T>
bool parse_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

std::string side_text(const Size& s) {
  return s.width == s.height ? std::to_string(s.width) : fmt::format("{}x{}", s.width, s.height);
}

// What an input says about the pictures it takes.
struct Geometry {
  Layout layout = Layout::kNchw;
  int64_t channels = -1, height = -1, width = -1;  // -1: open
  bool batch_axis = true, channel_axis = true, flat = false;
};

[[noreturn]] void fail_no_picture(const InputSpec& input) {
  throw Error(
      ErrorKind::kInput, "E20",
      fmt::format("pictures do not fit input {} {}", base::quoted(input.name), shape_text(input)),
      "give .npz files with one array per input, or --layout nchw or nhwc");
}

bool is_channels(const ir::Dim& d) { return d.value == 1 || d.value == 3; }

Geometry read_geometry(const InputSpec& input, std::optional<Layout> layout) {
  Geometry g;
  if (layout) g.layout = *layout;
  if (!input.shape) return g;
  const ir::Shape& s = *input.shape;
  if (s.size() == 2) {
    // A flat picture: as many values as a square of one or three channels has.
    if (!s[1].known() || s[1].value == 0) fail_no_picture(input);
    for (int64_t c : {1, 3}) {
      const auto side = static_cast<int64_t>(
          std::lround(std::sqrt(static_cast<double>(s[1].value) / static_cast<double>(c))));
      if (side <= kMaxSide && side * side * c == s[1].value)
        return {g.layout, c, side, side, true, true, true};
    }
    fail_no_picture(input);
  }
  if (s.size() == 3 && !is_channels(s[0]) && !is_channels(s[2]) && !layout)
    return {g.layout, 1, s[1].value, s[2].value, true, false, false};
  if (s.size() != 3 && s.size() != 4) fail_no_picture(input);
  const size_t at = s.size() - 3;  // of the first picture axis
  g.batch_axis = at == 1;
  if (!layout)
    g.layout = !is_channels(s[at]) && is_channels(s[at + 2]) ? Layout::kNhwc : Layout::kNchw;
  const bool first = g.layout == Layout::kNchw;
  const ir::Dim& c = first ? s[at] : s[at + 2];
  if (c.known() && !is_channels(c)) fail_no_picture(input);
  g.channels = c.value;
  g.height = (first ? s[at + 1] : s[at]).value;
  g.width = (first ? s[at + 2] : s[at + 1]).value;
  if (g.height == 0 || g.width == 0 || g.height > kMaxSide || g.width > kMaxSide)
    fail_no_picture(input);
  return g;
}

// One number per channel, in the order of the channels of the model.
std::vector<float> per_channel(std::vector<float> values, size_t channels, const char* flag) {
  if (values.size() == 1) values.resize(channels, values[0]);
  if (values.size() != channels)
    throw Error(ErrorKind::kUsage, "E50",
                fmt::format("{} has {} numbers, the input has {} channel{}", flag, values.size(),
                            channels, channels == 1 ? "" : "s"));
  return values;
}

std::string numbers_text(const std::vector<float>& v) {
  const bool same = std::ranges::all_of(v, [&](float x) { return x == v[0]; });
  if (same) return fmt::format("{:g}", v[0]);
  std::string text;
  for (float x : v) text += (text.empty() ? "" : ",") + fmt::format("{:g}", x);
  return text;
}

bool mentions_fashion(std::string_view source) { return source.find("fashion") != source.npos; }

}  // namespace

std::vector<InputSpec> input_specs(const ir::Graph& graph) {
  std::vector<InputSpec> specs;
  for (ir::ValueId id : graph.required_inputs()) {
    const ir::Value& v = graph.values[static_cast<size_t>(id)];
    specs.push_back({v.name,
                     v.type.kind == ir::Type::Kind::kTensor ? v.type.elem : DType::kUndefined,
                     v.type.shape});
  }
  return specs;
}

std::string parse_preset(std::string_view text) {
  const std::array<std::string, 6> names{"imagenet", "fashion-mnist", "none", "rgb", "bgr", "gray"};
  if (std::ranges::find(names, text) != names.end()) return std::string(text);
  const std::string close = base::nearest(text, names);
  throw Error(ErrorKind::kUsage, "E50", "unknown preprocessing " + base::quoted(text),
              (close.empty() ? "" : "did you mean '" + close + "'? ") +
                  "presets: imagenet, fashion-mnist, none, rgb, bgr, gray");
}

Resize parse_resize(std::string_view text) {
  Resize r;
  if (parse_number(text, r.shorter) && r.shorter > 0 && r.shorter <= kMaxSide) return r;
  const size_t x = text.find('x');
  r.shorter = 0;
  if (x == text.npos || !parse_number(text.substr(0, x), r.size.width) ||
      !parse_number(text.substr(x + 1), r.size.height) || r.size.width <= 0 || r.size.height <= 0 ||
      r.size.width > kMaxSide || r.size.height > kMaxSide)
    fail_flag("--resize", text, "the shorter side, as in 256, or width x height, as in 320x240");
  return r;
}

Size parse_crop(std::string_view text) {
  try {
    const Resize r = parse_resize(text);
    return r.shorter ? Size{r.shorter, r.shorter} : r.size;
  } catch (const Error&) {
    fail_flag("--crop", text, "one side, as in 224, or width x height, as in 320x240");
  }
}

std::vector<float> parse_numbers(std::string_view text) {
  std::vector<float> values;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    std::string_view part = text.substr(at, end - at);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    float v = 0;
    if (!parse_number(part, v) || !std::isfinite(v) || values.size() == 3)
      fail_flag("--mean or --std", text, "one number, or three as in 0.485,0.456,0.406");
    values.push_back(v);
    at = end + 1;
  }
  return values;
}

Layout parse_layout(std::string_view text) {
  if (text == "nchw") return Layout::kNchw;
  if (text == "nhwc") return Layout::kNhwc;
  fail_flag("--layout", text, "nchw or nhwc");
}

Channels parse_channels(std::string_view text) {
  if (text == "rgb") return Channels::kRgb;
  if (text == "bgr") return Channels::kBgr;
  if (text == "gray" || text == "grey") return Channels::kGray;
  fail_flag("--channels", text, "rgb, bgr or gray");
}

Pipeline resolve(const Preprocess& wanted, const InputSpec& input, std::string_view source) {
  const Geometry g = read_geometry(input, wanted.layout);
  Pipeline p;
  p.layout = g.layout;
  p.batch_axis = g.batch_axis;
  p.channel_axis = g.channel_axis;
  p.flat = g.flat;
  p.dtype = input.dtype;
  if (!tensor::is_float(p.dtype) && !tensor::is_integer(p.dtype)) fail_no_picture(input);

  // Channels.
  std::optional<Channels> channels = wanted.channels;
  std::string preset = wanted.preset;
  if (preset == "rgb" || preset == "bgr" || preset == "gray") {
    if (!channels) channels = parse_channels(preset);
    preset.clear();
  }
  if (!channels)
    channels = g.channels == 1 || (g.channels < 0 && preset == "fashion-mnist") ? Channels::kGray
                                                                                : Channels::kRgb;
  p.channels = *channels;
  // A gray picture may also fill three channels.
  const size_t count = g.channels > 0                  ? static_cast<size_t>(g.channels)
                       : p.channels == Channels::kGray ? 1
                                                       : 3;
  if (count == 1 && p.channels != Channels::kGray)
    throw Error(ErrorKind::kUsage, "E50",
                fmt::format("input {} {} takes one channel, not {}", base::quoted(input.name),
                            shape_text(input), p.channels == Channels::kRgb ? "rgb" : "bgr"),
                "--channels gray");

  // Presets, asked for or guessed.
  const bool integer = !tensor::is_float(p.dtype);
  const Size model{static_cast<int>(g.width), static_cast<int>(g.height)};
  const bool fixed = model.width > 0 && model.height > 0;
  bool guessed = false;
  if (preset.empty()) {
    guessed = true;
    if (count == 3)
      preset = "imagenet";
    else if (mentions_fashion(source) && (!fixed || model == Size{28, 28}))
      preset = "fashion-mnist";
    else
      preset = "unit";
  }

  // Geometry.
  const bool asked_size = wanted.resize || wanted.crop;
  if (wanted.resize) p.resize = wanted.resize;
  if (wanted.crop) p.crop = wanted.crop;
  constexpr int kSmall = 64;  // pictures of this size and less are not cut out of larger ones
  if (preset == "imagenet") {
    const Size crop = p.crop ? *p.crop : fixed ? model : Size{224, 224};
    if (!p.resize && crop.width == crop.height && (!guessed || crop.width > kSmall)) {
      if (!(guessed && asked_size))
        p.resize = Resize{static_cast<int>(std::lround(crop.width * 256.0 / 224.0)), {}};
      p.crop = crop;
    } else if (!p.resize && !p.crop) {
      p.resize = Resize{0, crop};
    }
  } else if (preset == "fashion-mnist" && !asked_size) {
    p.resize = Resize{0, fixed ? model : Size{28, 28}};
  } else if (preset == "unit" && !asked_size && fixed) {
    p.resize = Resize{0, model};
  }
  if (fixed && !p.crop && p.resize && p.resize->size != model) p.crop = model;
  if (fixed && p.crop && *p.crop != model)
    throw Error(ErrorKind::kUsage, "E50",
                fmt::format("--crop {} does not fit input {} {}", side_text(*p.crop),
                            base::quoted(input.name), shape_text(input)),
                "leave it out, or --crop " + side_text(model));

  // Numbers.
  const bool asked_numbers = !wanted.mean.empty() || !wanted.std.empty();
  std::string numbers;
  if (asked_numbers) {
    p.mean =
        per_channel(wanted.mean.empty() ? std::vector<float>{0} : wanted.mean, count, "--mean");
    p.std = per_channel(wanted.std.empty() ? std::vector<float>{1} : wanted.std, count, "--std");
    const auto large = [](float x) { return std::fabs(x) > 2; };
    if (std::ranges::any_of(p.mean, large) || std::ranges::any_of(p.std, large)) p.divisor = 1;
  } else if (preset == "none" || integer) {
    p.divisor = 1;
    numbers = "values 0 to 255";
  } else if (preset == "imagenet" && count == 3) {
    p.mean.assign(kImagenetMean.begin(), kImagenetMean.end());
    p.std.assign(kImagenetStd.begin(), kImagenetStd.end());
    if (p.channels == Channels::kBgr) {
      std::ranges::reverse(p.mean);
      std::ranges::reverse(p.std);
    }
    numbers = "ImageNet mean/std";
  } else if (preset == "imagenet") {
    throw Error(ErrorKind::kUsage, "E50",
                fmt::format("the preset imagenet does not fit input {} {}: it takes one channel",
                            base::quoted(input.name), shape_text(input)),
                "--channels gray with --mean and --std");
  } else if (preset == "fashion-mnist") {
    p.mean.assign(count, 0.2860f);
    p.std.assign(count, 0.3530f);
    numbers = "Fashion-MNIST mean/std";
  } else {
    numbers = "values 0 to 1";
  }
  if (p.mean.empty()) p.mean.assign(count, 0);
  if (p.std.empty()) p.std.assign(count, 1);
  if (std::ranges::any_of(p.std, [](float x) { return !(x > 0); }))
    throw Error(ErrorKind::kUsage, "E50", "--std must be over 0");
  if (numbers.empty())
    numbers = fmt::format("mean {}, std {}", numbers_text(p.mean), numbers_text(p.std));

  // What to tell.
  std::string& text = p.summary;
  if (p.resize)
    text += "resize " +
            (p.resize->shorter ? std::to_string(p.resize->shorter) : side_text(p.resize->size)) +
            ", ";
  if (p.crop) text += "crop " + side_text(*p.crop) + ", ";
  if (p.channels != Channels::kRgb) text += p.channels == Channels::kGray ? "gray, " : "BGR, ";
  text += numbers;
  const bool integer_guess = integer && !asked_numbers && preset != "none";
  if (guessed && (!asked_size || (!asked_numbers && !integer_guess)))
    p.guessed = "guessed from the input shape; --preprocess to change";
  return p;
}

namespace {

Size resized(const Resize& r, const Image& image) {
  if (!r.shorter) return r.size;
  const int64_t w = image.width, h = image.height, s = r.shorter;
  if (w <= h) return {r.shorter, static_cast<int>(std::min<int64_t>(s * h / w, INT32_MAX))};
  return {static_cast<int>(std::min<int64_t>(s * w / h, INT32_MAX)), r.shorter};
}

}  // namespace

Tensor apply(const Pipeline& p, Image image) {
  const auto count = p.mean.size();
  image = p.channels == Channels::kGray ? to_gray(std::move(image)) : to_rgb(std::move(image));
  if (p.resize) {
    const Size size = resized(*p.resize, image);
    image = resize_bilinear(std::move(image), size.width, size.height);
  }
  if (p.crop) image = center_crop(std::move(image), p.crop->width, p.crop->height);
  if (count == 3) image = to_rgb(std::move(image));

  // Every pixel value has its result.
  std::vector<std::array<float, 256>> table(count);
  for (size_t c = 0; c < count; ++c)
    for (size_t v = 0; v < 256; ++v)
      table[c][v] = (static_cast<float>(v) / p.divisor - p.mean[c]) / p.std[c];

  const int64_t h = image.height, w = image.width, c = static_cast<int64_t>(count);
  const bool first = p.layout == Layout::kNchw;
  Dims dims = p.flat            ? Dims{h * w * c}
              : !p.channel_axis ? Dims{h, w}
              : first           ? Dims{c, h, w}
                                : Dims{h, w, c};
  if (p.batch_axis) dims.insert(dims.begin(), 1);
  Tensor t = Tensor::empty(DType::kFloat32, dims);
  float* out = t.mutable_data<float>().data();
  const size_t pixels = static_cast<size_t>(h * w);
  const size_t pixel_step = first ? 1 : count, channel_step = first ? pixels : 1;
  for (size_t k = 0; k < count; ++k) {
    const size_t from = p.channels == Channels::kBgr ? count - 1 - k : k;
    const uint8_t* source = image.pixels.data() + from;
    float* to = out + k * channel_step;
    for (size_t i = 0; i < pixels; ++i) to[i * pixel_step] = table[k][source[i * count]];
  }
  return p.dtype == DType::kFloat32 ? t : tensor::cast(t, p.dtype);
}

}  // namespace tersor::calib

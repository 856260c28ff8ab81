// Labels from IDX, .npy and CSV files.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <unordered_map>

#include "base/checked.h"
#include "base/error.h"
#include "base/file.h"
#include "base/limits.h"
#include "calib/arrays.h"
#include "calib/source.h"
#include "calib/stream.h"

namespace tersor::calib {
namespace {

using Names = std::vector<std::string>;

// 5000 -> "5 000"
std::string grouped(size_t n) {
  std::string text = std::to_string(n);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, " ");
  return text;
}

std::string singular(const std::string& noun) {
  return noun.ends_with('s') ? noun.substr(0, noun.size() - 1) : noun;
}

std::string item_text(const Names& items, size_t i) {
  return items[i].empty() ? "number " + grouped(i + 1) : base::quoted(items[i]);
}

[[noreturn]] void fail_labels(const std::string& path, const std::string& why) {
  base::fail_input("E22", "{} holds no labels: {}", base::quoted(path), why);
}

void check_count(const std::string& path, size_t labels, const Names& items,
                 const std::string& noun) {
  if (labels == items.size()) return;
  std::string first;
  if (labels < items.size())
    first =
        fmt::format(" (first {} without a label: {})", singular(noun), item_text(items, labels));
  base::fail_input("E22", "{} {} but {} labels in {}{}", grouped(items.size()), noun,
                   grouped(labels), base::quoted(path), first);
}

std::vector<int64_t> read_idx(const std::string& path, bool gzip) {
  auto file = std::make_shared<const InputFile>(path);
  ByteStream stream(file, 0, file->size(), gzip ? Packing::kGzip : Packing::kNone);
  const IdxHeader h = read_idx_header(stream, path);
  if (h.dims.size() != 1 || h.type > 12)
    fail_labels(path, fmt::format("it has the shape {}", tensor::to_string(h.dims)));
  const size_t width = h.type == 12 ? 4 : h.type == 11 ? 2 : 1;
  std::vector<unsigned char> bytes(static_cast<size_t>(h.dims[0]) * width);
  stream.read(bytes.data(), bytes.size());
  std::vector<int64_t> labels(static_cast<size_t>(h.dims[0]));
  for (size_t i = 0; i < labels.size(); ++i) {
    const unsigned char* p = bytes.data() + i * width;
    labels[i] = h.type == 8    ? p[0]
                : h.type == 9  ? static_cast<int8_t>(p[0])
                : h.type == 11 ? static_cast<int16_t>(p[0] << 8 | p[1])
                               : static_cast<int32_t>(static_cast<uint32_t>(p[0]) << 24 |
                                                      static_cast<uint32_t>(p[1]) << 16 |
                                                      static_cast<uint32_t>(p[2]) << 8 | p[3]);
  }
  return labels;
}

std::vector<int64_t> from_tensor(const std::string& path, const Tensor& t) {
  const bool column = t.rank() == 2 && t.dim(1) == 1;
  if (t.rank() != 1 && !column)
    fail_labels(path, fmt::format("it has the shape {}", tensor::to_string(t.dims())));
  std::vector<int64_t> labels(static_cast<size_t>(t.count()));
  for (int64_t i = 0; i < t.count(); ++i) {
    if (tensor::is_float(t.dtype())) {
      const double v = tensor::as_double(t, i);
      if (!(std::fabs(v) < 0x1p53) || v != std::floor(v))
        fail_labels(path, fmt::format("value {} is not a whole number", i + 1));
    }
    labels[static_cast<size_t>(i)] = tensor::as_int64(t, i);
  }
  return labels;
}

// The fields of one line; quotes as in RFC 4180, without line breaks inside.
Names split_line(std::string_view line) {
  Names fields(1);
  bool inside = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (inside && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
      fields.back() += '"';
      ++i;
    } else if (c == '"') {
      inside = !inside;
    } else if (c == ',' && !inside) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  for (std::string& f : fields) {
    while (f.ends_with(' ')) f.pop_back();
    f.erase(0, f.find_first_not_of(' ') == f.npos ? f.size() : f.find_first_not_of(' '));
  }
  return fields;
}

std::vector<int64_t> read_csv(const std::string& path, const Names& items,
                              const std::string& noun) {
  const std::string text = base::read_file(path, limits::kTextFileBytes);
  std::string_view left = text;
  if (left.starts_with("\xef\xbb\xbf")) left.remove_prefix(3);
  int file_column = -1, label_column = -1;
  size_t width = 0;
  std::vector<int64_t> labels;
  std::unordered_map<std::string, int64_t> by_file;
  for (size_t number = 1; !left.empty(); ++number) {
    const size_t end = std::min(left.find('\n'), left.size());
    std::string_view line = left.substr(0, end);
    left.remove_prefix(std::min(end + 1, left.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(' ') == line.npos) continue;
    const Names fields = split_line(line);
    if (label_column < 0) {
      for (size_t i = 0; i < fields.size(); ++i) {
        if (fields[i] == "file") file_column = static_cast<int>(i);
        if (fields[i] == "label") label_column = static_cast<int>(i);
      }
      if (label_column < 0)
        throw Error(ErrorKind::kInput, "E22",
                    base::quoted(path) + " holds no labels: its first line has no column 'label'",
                    "start it with the line 'file,label', or 'label' alone");
      width = fields.size();
      continue;
    }
    if (fields.size() != width)
      fail_labels(path,
                  fmt::format("line {} has {} fields instead of {}", number, fields.size(), width));
    const std::string& field = fields[static_cast<size_t>(label_column)];
    int64_t label = 0;
    const auto [stop, error] = std::from_chars(field.data(), field.data() + field.size(), label);
    if (error != std::errc() || stop != field.data() + field.size())
      fail_labels(path,
                  fmt::format("{} in line {} is not a whole number", base::quoted(field), number));
    labels.push_back(label);
    if (file_column < 0) continue;
    const std::string& file = fields[static_cast<size_t>(file_column)];
    const auto [it, fresh] = by_file.emplace(file, label);
    if (!fresh && it->second != label)
      fail_labels(
          path, fmt::format("{} has the labels {} and {}", base::quoted(file), it->second, label));
  }
  const bool named = std::ranges::none_of(items, [](const std::string& s) { return s.empty(); });
  if (file_column < 0 || !named) {
    check_count(path, labels.size(), items, noun);
    return labels;
  }
  // By the path inside the data set, or by the bare name where that says enough.
  labels.clear();
  std::optional<size_t> missing;
  for (size_t i = 0; i < items.size(); ++i) {
    auto it = by_file.find(items[i]);
    if (it == by_file.end()) it = by_file.find(fs::path(items[i]).filename().string());
    if (it != by_file.end())
      labels.push_back(it->second);
    else if (!missing)
      missing = i;
  }
  if (missing)
    base::fail_input("E22", "{} {} but {} labels in {} (first {} without a label: {})",
                     grouped(items.size()), noun, grouped(labels.size()), base::quoted(path),
                     singular(noun), item_text(items, *missing));
  return labels;
}

}  // namespace

std::vector<int64_t> read_labels(const std::string& path, const Names& items,
                                 const std::string& noun) {
  unsigned char start[8] = {};
  {
    const InputFile file(path);
    file.read(0, start, static_cast<size_t>(std::min<uint64_t>(sizeof start, file.size())));
  }
  const std::string_view text(reinterpret_cast<const char*>(start), sizeof start);
  std::vector<int64_t> labels;
  if (text.starts_with("\x93NUMPY"))
    labels = from_tensor(path, read_npy(path));
  else if (text.starts_with("\x1f\x8b"))
    labels = read_idx(path, true);
  else if (looks_like_idx(start))
    labels = read_idx(path, false);
  else
    return read_csv(path, items, noun);
  check_count(path, labels.size(), items, noun);
  return labels;
}

}  // namespace tersor::calib

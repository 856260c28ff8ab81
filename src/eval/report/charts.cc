#include "eval/report/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "eval/report/text.h"

namespace tersor::eval {

namespace {

// The folder that all labels begin with, "/features/"; empty for one label.
size_t common_folder(const std::vector<BarRow>& rows) {
  if (rows.size() < 2) return 0;
  const std::string& first = rows[0].label;
  size_t n = first.size();
  for (const BarRow& row : rows) {
    size_t k = 0;
    while (k < std::min(n, row.label.size()) && row.label[k] == first[k]) ++k;
    n = k;
  }
  const size_t slash = first.substr(0, n).find_last_of("/.");
  return slash == std::string::npos ? 0 : slash + 1;
}

}  // namespace

std::string bar_chart(const std::vector<BarRow>& rows, double longest,
                      const std::string& alternative) {
  constexpr int kRow = 36;
  // Characters that fit beside the numbers: on a desktop, anywhere, and on a phone in small type.
  constexpr size_t kLong = 100, kShort = 30, kSmall = 38;
  const size_t folder = common_folder(rows);
  std::string svg =
      fmt::format("<svg class=bars role=img width=\"100%\" height=\"{}\"><title>{}</title>",
                  kRow * static_cast<int>(rows.size()), escape(alternative));
  int y = 0;
  for (const BarRow& row : rows) {
    std::string texts;
    for (const std::string& t : row.texts) texts += (texts.empty() ? "" : " \xC2\xB7 ") + t;
    svg += fmt::format("<g><title>{}: {}</title>", escape(row.label), escape(texts));
    if (row.label.size() <= kShort) {
      svg += fmt::format("<text x=0 y={}>{}</text>", y + 12, escape(row.label));
    } else {
      svg += fmt::format("<text class=lo x=0 y={}>{}</text><text class=sh x=0 y={}>{}</text>",
                         y + 12, escape(shorten(row.label, kLong)), y + 12,
                         escape(shorten(row.label.substr(folder), kSmall)));
    }
    svg += fmt::format("<text class=v x=\"100%\" y={}>{}</text>", y + 12, escape(texts));
    int at = y + 17;
    for (size_t i = 0; i < row.values.size(); ++i, at += 7) {
      const double share = !std::isfinite(row.values[i]) ? (row.values[i] > 0 ? 1 : 0)
                           : longest > 0                 ? row.values[i] / longest
                                                         : 0;
      svg += fmt::format("<rect class=\"b{}{}\" x=0 y={} width=\"{:.1f}%\" height=6 />", i,
                         row.hatched ? " k" : "", at, 100 * std::clamp(share, 0.0, 1.0));
    }
    svg += "</g>";
    y += kRow;
  }
  return svg + "</svg>";
}

std::string histogram_chart(double lo, double hi, const std::vector<uint64_t>& counts,
                            double clip_lo, double clip_hi, const std::string& alternative) {
  constexpr double kWidth = 256, kHeight = 64;
  std::string svg = fmt::format(
      "<svg class=hist role=img viewBox=\"0 0 {} {}\" preserveAspectRatio=none><title>{}</title>",
      kWidth, kHeight, escape(alternative));
  if (counts.empty() || !(hi > lo)) return svg + "</svg>";
  const bool clips = clip_hi > clip_lo;
  const double from = clips ? std::min(lo, clip_lo) : lo, to = clips ? std::max(hi, clip_hi) : hi;
  const auto x = [&](double v) { return (v - from) / (to - from) * kWidth; };
  const double top = std::log1p(static_cast<double>(*std::ranges::max_element(counts)));
  const double width = (hi - lo) / static_cast<double>(counts.size());
  // Whole units: pages of many charts stay small.
  std::string path = fmt::format("M{:.0f} {}", x(lo), kHeight);
  for (size_t i = 0; i < counts.size(); ++i) {
    const double height = top > 0 ? std::log1p(static_cast<double>(counts[i])) / top : 0;
    path += fmt::format("V{:.0f}H{:.0f}", kHeight - height * (kHeight - 4),
                        x(lo + static_cast<double>(i + 1) * width));
  }
  svg += fmt::format("<path class=h d=\"{}V{}Z\"/>", path, kHeight);
  if (clips) {
    svg += fmt::format("<rect class=out x=0 y=0 width={:.1f} height={} />", x(clip_lo), kHeight);
    svg += fmt::format("<rect class=out x={:.1f} y=0 width={:.1f} height={} />", x(clip_hi),
                       kWidth - x(clip_hi), kHeight);
    for (double end : {clip_lo, clip_hi})
      svg += fmt::format("<path class=clip d=\"M{:.1f} 0V{}\"/>", x(end), kHeight);
  }
  return svg + "</svg>";
}

std::string scatter_chart(const std::vector<Point>& points, double limit, const NumberText& x_text,
                          const NumberText& y_text, const std::string& alternative) {
  constexpr double kTop = 24, kBottom = 186, kHeight = 210;
  constexpr double kLeft = 19, kWidth = 74;  // percent; what is left of it belongs to texts
  std::string svg =
      fmt::format("<svg class=scatter role=img width=\"100%\" height={}><title>{}</title>", kHeight,
                  escape(alternative));
  if (points.empty()) return svg + "</svg>";
  // Of what is finite; the rest stands at the ends.
  const auto extent = [&](double Point::*axis, double first) {
    std::pair ends(first, first);
    for (const Point& p : points)
      if (std::isfinite(p.*axis))
        ends = {std::min(ends.first, p.*axis), std::max(ends.second, p.*axis)};
    return ends;
  };
  const auto place = [](double v, std::pair<double, double> ends) {
    if (!std::isfinite(v)) return v > 0 ? 1.0 : 0.0;
    return ends.second > ends.first ? (v - ends.first) / (ends.second - ends.first) : 0.5;
  };
  const auto xs = extent(&Point::x, points[0].x), ys = extent(&Point::y, limit);
  const auto across = [&](double x) { return kLeft + kWidth * place(x, xs); };
  const auto height = [&](double y) { return kBottom - place(y, ys) * (kBottom - kTop); };
  const auto text = [&](const char* kind, double x, double y, const std::string& words) {
    svg += fmt::format("<text class=\"{}\" x=\"{:.1f}%\" y={:.1f}>{}</text>", kind, x, y,
                       escape(words));
  };
  svg += fmt::format("<line class=limit x1=\"{0}%\" x2=\"98%\" y1={1:.1f} y2={1:.1f} />", kLeft - 2,
                     height(limit));
  text("v", kLeft - 3, height(limit) + 4, y_text(limit));
  // Not where the limit is written.
  for (double y : {ys.first, ys.second})
    if (std::fabs(height(y) - height(limit)) > 14) text("v", kLeft - 3, height(y) + 4, y_text(y));
  if (xs.second > xs.first) {
    text("a", kLeft, kHeight - 6, x_text(xs.first));
    text("v", kLeft + kWidth, kHeight - 6, x_text(xs.second));
  } else {
    text("m", across(xs.first), kHeight - 6, x_text(xs.first));
  }
  for (const Point& p : points)
    svg += fmt::format(
        "<circle class=\"{}{}\" cx=\"{:.1f}%\" cy={:.1f} r={}><title>{}</title></circle>",
        p.good ? "b0" : "k", p.chosen ? " chosen" : "", across(p.x), height(p.y), p.chosen ? 8 : 5,
        escape(p.label));
  return svg + "</svg>";
}

}  // namespace tersor::eval

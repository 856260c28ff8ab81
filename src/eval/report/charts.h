// Charts as inline SVG, drawn with the classes of the page's style: private to the room.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tersor::eval {

// One row of a bar chart: a label, and up to two bars with their texts.
struct BarRow {
  std::string label;           // as the model has it
  std::vector<double> values;  // not finite: a bar of full width
  std::vector<std::string> texts;
  bool hatched = false;  // kept in float
};
// Horizontal bars, `longest` at full width; text is not scaled, so that it can be read on a phone.
// `alternative` describes the chart to those who do not see it.
std::string bar_chart(const std::vector<BarRow>& rows, double longest,
                      const std::string& alternative);

// A histogram with log counts; what lies outside [clip_lo, clip_hi] is shaded. No clip: equal ends.
std::string histogram_chart(double lo, double hi, const std::vector<uint64_t>& counts,
                            double clip_lo, double clip_hi, const std::string& alternative);

// One point of a scatter chart.
struct Point {
  double x = 0, y = 0;
  std::string label;  // shown when pointed at
  bool good = false, chosen = false;
};
// The words for a number of an axis.
using NumberText = std::function<std::string(double)>;
// Points over the extent of both axes, whose ends are written beside them, and a dashed line at the
// least y that is good enough.
std::string scatter_chart(const std::vector<Point>& points, double limit, const NumberText& x_text,
                          const NumberText& y_text, const std::string& alternative);

// A picture as the source of an <img>: "data:image/png;base64,...". channels: 1 or 3.
std::string picture_source(int width, int height, int channels, const std::vector<uint8_t>& pixels);

}  // namespace tersor::eval

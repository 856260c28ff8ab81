#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "eval/report/charts.h"
#include "eval/report/page.h"
#include "eval/report/text.h"
#include "eval/report/thumbnail.h"

namespace tersor::eval {
namespace {

const std::string kUnknown = "\xEF\xBF\xBD";

TEST(Escape, LetsNoMarkupThrough) {
  EXPECT_EQ(escape("<b a='1' c=\"2\">&amp;"), "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;amp;");
  EXPECT_EQ(escape("/layer.1/conv_2:0"), "/layer.1/conv_2:0");
  EXPECT_EQ(escape("gr\xC3\xBC\xC3\x9F\x65 \xE5\xB1\x82"), "gr\xC3\xBC\xC3\x9F\x65 \xE5\xB1\x82");
}

TEST(Escape, ReplacesWhatIsNoTextOrHides) {
  EXPECT_EQ(escape("a\x01\x1b[31m"), "a" + kUnknown + kUnknown + "[31m");
  EXPECT_EQ(escape("\xFF\xC0\xAF"), kUnknown + kUnknown + kUnknown);  // overlong '/'
  EXPECT_EQ(escape("\xED\xA0\x80"), kUnknown + kUnknown + kUnknown);  // a surrogate
  EXPECT_EQ(escape("\xE5\xB1"), kUnknown + kUnknown);                 // cut off
  EXPECT_EQ(escape("a\xE2\x80\xAE\x62"), "a" + kUnknown + "b");       // right-to-left override
  EXPECT_EQ(escape(std::string("a\0b", 3)), "a" + kUnknown + "b");
}

TEST(Shorten, KeepsBothEnds) {
  EXPECT_EQ(shorten("short", 5), "short");
  EXPECT_EQ(shorten("0123456789", 7),
            "01\xE2\x80\xA6"
            "6789");
  EXPECT_EQ(shorten("\xC3\xBC\xC3\xBC\xC3\xBC\xC3\xBC", 4).size(), 8U);
}

TEST(Picture, IsAPng) {
  // 1 x 1 gray: known bytes.
  EXPECT_EQ(picture_source(1, 1, 1, {0}),
            "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAADUlEQVR4AQECAP3/"
            "AAAAAgABfgUN0gAAAABJRU5ErkJggg==");
}

TEST(Charts, TakeWhatIsNotFinite) {
  const std::string svg =
      bar_chart({{.label = "a", .values = {HUGE_VAL, NAN}, .texts = {"x", "y"}}}, 10, "title");
  EXPECT_NE(svg.find("width=\"100.0%\""), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(histogram_chart(0, 0, {}, 0, 0, "t").find("path"), std::string::npos);
  EXPECT_NE(histogram_chart(0, 1, {0, 5, 2}, 0.1, 0.9, "t").find("class=clip"), std::string::npos);
}

TEST(Charts, SayWhereTheLimitIs) {
  const auto number = [](double v) { return fmt::format("<{:g}>", v); };
  const std::string svg = scatter_chart({{.x = 10, .y = 18, .label = "a"},
                                         {.x = 30, .y = HUGE_VAL, .label = "b", .good = true},
                                         {.x = 20, .y = NAN, .label = "c"}},
                                        25, number, number, "t");
  for (const char* text : {"&lt;10&gt;", "&lt;30&gt;", "&lt;18&gt;", "&lt;25&gt;", "class=limit"})
    EXPECT_NE(svg.find(text), std::string::npos) << text;
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
  EXPECT_EQ(scatter_chart({}, 1, number, number, "t").find("circle"), std::string::npos);
}

TEST(Thumbnail, FindsPictures) {
  Tensor x = Tensor::empty(DType::kFloat32, {2, 3, 90, 60});
  float v = -3;
  for (float& e : x.mutable_data<float>()) e = v += 0.01F;
  const auto p = thumbnail({Tensor::zeros(DType::kFloat32, {2, 5}), x}, 1);
  ASSERT_TRUE(p);
  EXPECT_EQ(p->width, 20);
  EXPECT_EQ(p->height, 30);
  EXPECT_EQ(p->channels, 3);
  EXPECT_EQ(p->pixels.size(), 20U * 30 * 3);
  EXPECT_EQ(p->pixels.front(), 0);
  EXPECT_EQ(p->pixels.back(), 255);
  EXPECT_EQ(thumbnail({Tensor::zeros(DType::kUint8, {1, 16, 16, 1})}, 0)->channels, 1);
  EXPECT_FALSE(thumbnail({x}, 2));
  EXPECT_FALSE(thumbnail({Tensor::zeros(DType::kFloat32, {1, 7, 16, 16})}, 0));
  EXPECT_FALSE(thumbnail({Tensor::zeros(DType::kFloat32, {1, 3, 4, 4})}, 0));
}

TEST(Page, EscapesEveryNameAndFetchesNothing) {
  const std::string evil = "</title><script>alert(1)</script><img src=x onerror='alert(2)'>\"";
  Comparison c;
  c.n = 3;
  c.classifier = true;
  c.passed = false;
  c.broken = {evil};
  c.data_summary = evil;
  c.outputs.push_back({.name = evil, .sqnr_db = 20});
  c.layers.push_back({.value = evil, .node = evil, .op = evil, .sqnr_db = 12});
  c.samples.push_back({.source = evil, .truth = {}, .picture = {}});
  QuantizeResult q(Model(nullptr), Model(nullptr));
  q.simplified = q.data_summary = evil;
  LayerDecision layer;
  layer.node = layer.op = layer.reason = layer.tensor = evil;
  layer.bytes_before = 4;
  layer.histogram = {0, 1, {1, 2}};
  q.layers = {layer};
  TensorDecision tensor;
  tensor.tensor = tensor.node = tensor.op = tensor.why = evil;
  tensor.histogram = {0, 1, {1, 2}};
  q.tensors = {tensor};
  Report r{.original = {evil, evil, 10},
           .compressed = {evil, evil, 5},
           .command = {"quantize", evil},
           .recipe = evil,
           .quantized = &q,
           .comparison = &c,
           .timings = {},
           .warnings = {{evil, evil}}};
  Host host;
  host.cpu = evil;
  const std::string html = page(r, host, "1");
  for (const char* bad :
       {"<script", "<img src=x", "http://", "https://", "@import", "</title><script"})
    EXPECT_EQ(html.find(bad), std::string::npos) << bad;
  EXPECT_NE(html.find("default-src 'none'"), std::string::npos);
  EXPECT_NE(html.find("not met"), std::string::npos);
  EXPECT_NE(html.find("&lt;script&gt;alert(1)"), std::string::npos);
}

}  // namespace
}  // namespace tersor::eval

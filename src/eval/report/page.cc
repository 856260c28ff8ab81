#include "eval/report/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "eval/report/charts.h"
#include "eval/report/style.h"
#include "eval/report/text.h"

namespace tersor::eval {
namespace {

constexpr size_t kHistograms = 80;  // of one kind, on one page

std::string name_of(const std::string& node, const std::string& tensor) {
  return node.empty() ? tensor : node;
}
std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }
// A word of a shell command.
std::string shell(const std::string& word) {
  const bool plain = !word.empty() && word.find_first_not_of(
                                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789-_./:=,+@%") == std::string::npos;
  if (plain) return word;
  std::string out = "'";
  for (char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

class Page {
 public:
  Page(const Report& report, const Host& host, const std::string& version)
      : r_(report), host_(host), version_(version), q_(report.quantized), c_(report.comparison) {
    if (c_)
      for (const LayerComparison& l : c_->layers) output_sqnr_.try_emplace(l.value, l.sqnr_db);
  }

  std::string run() {
    begin();
    verdict();
    facts();
    warnings();
    trade_off();
    layers();
    histograms();
    sizes();
    samples();
    outputs();
    kept();
    equalized();
    tensors();
    recipe();
    html_ += "</main>";
    return std::move(html_);
  }

 private:
  template <typename... A>
  void add(fmt::format_string<A...> f, A&&... a) {
    html_ += fmt::format(f, std::forward<A>(a)...);
  }
  void heading(const char* title, const std::string& note = {}) {
    add("<h2>{}</h2>", title);
    if (!note.empty()) add("<p class=soft>{}</p>", note);
  }

  void begin() {
    // The policy lets nothing run and nothing be fetched, whatever a name in the model holds.
    add("<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src "
        "'unsafe-inline'; img-src data:\">"
        "<meta name=viewport content=\"width=device-width,initial-scale=1\">"
        "<meta name=referrer content=no-referrer>"
        "<title>{} - tersor</title><style>{}</style><main>",
        escape(file_name(r_.compressed.path)), kStyle);
  }

  void verdict() {
    add("<h1>{} \xE2\x86\x92 {}</h1>", escape(file_name(r_.original.path)),
        escape(file_name(r_.compressed.path)));
    if (!c_) {
      html_ += "<p class=verdict>Not compared: no verdict.</p>";
      return;
    }
    add("<p class=\"verdict {}\">{}</p>", c_->passed ? "good" : "bad",
        c_->passed ? "ok: the compressed model answers as the original" : "not met");
    for (const std::string& sentence : c_->broken) add("<p class=bad>{}</p>", escape(sentence));
    add("<p class=soft>Measured on {} samples: {}{}</p>", c_->n, escape(c_->data_summary),
        c_->synthetic ? "; random numbers, so not meaningful" : "");
  }

  void fact(const std::string& big, const std::string& small) {
    add("<div><b>{}</b>{}</div>", escape(big), escape(small));
  }
  void facts() {
    html_ += "<div class=facts>";
    if (r_.compressed.bytes > 0)
      fact(fmt::format("{:.2f} x smaller", static_cast<double>(r_.original.bytes) /
                                               static_cast<double>(r_.compressed.bytes)),
           bytes_text(r_.original.bytes) + " to " + bytes_text(r_.compressed.bytes));
    if (r_.timings.size() >= 2 && r_.timings[1].p50_ms > 0)
      fact(fmt::format("{:.2f} x faster", r_.timings[0].p50_ms / r_.timings[1].p50_ms),
           fmt::format("{:.3g} to {:.3g} ms, one thread", r_.timings[0].p50_ms,
                       r_.timings[1].p50_ms));
    if (c_ && c_->accuracy_a && c_->accuracy_b)
      fact(fmt::format("{:+.2f} %", 100 * (c_->accuracy_b->top1 - c_->accuracy_a->top1)),
           "top-1 accuracy, " + percent_text(c_->accuracy_a->top1, 2) + " to " +
               percent_text(c_->accuracy_b->top1, 2));
    if (c_ && c_->classifier)
      fact(percent_text(c_->top1_agree), fmt::format("same label, of {} samples", c_->n));
    if (c_ && !c_->outputs.empty()) {
      const auto worst = std::ranges::min_element(c_->outputs, {}, &OutputComparison::sqnr_db);
      fact(decibel_text(worst->sqnr_db), "worst output SQNR");
    }
    if (q_)
      fact(fmt::format("{} of {}", q_->quantized, q_->weighted), "layers with weights in int8");
    html_ += "</div>";
  }

  void warnings() {
    if (r_.warnings.empty()) return;
    html_ += "<ul>";
    for (const Warning& w : r_.warnings)
      add("<li><span class=bad>{}</span> {}</li>", escape(w.code), escape(w.text));
    html_ += "</ul>";
  }

  // What staying in float costs and brings, mix by mix.
  void trade_off() {
    if (!q_ || !q_->search || q_->search->tried.empty()) return;
    const Search& s = *q_->search;
    const auto text = [&](double value) {
      if (s.measure == "sqnr") return decibel_text(value);
      if (s.measure == "cosine") return fmt::format("{:.6f}", value);
      return s.measure == "score" ? fmt::format("{:.6g}", value) : percent_text(value, 2);
    };
    std::vector<Point> points;
    std::string rows;
    for (size_t i = 0; i < s.tried.size(); ++i) {
      const Mix& m = s.tried[i];
      const bool chosen = s.chosen == i;
      points.push_back(
          {static_cast<double>(m.bytes), m.value,
           fmt::format("{} in float, {}, {}", m.left.size(), bytes_text(m.bytes), text(m.value)),
           m.holds, chosen});
      rows += fmt::format(
          "<tr{}><td>{}</td><td>{}</td><td>{}</td><td class=l>{}{}</td><td class=\"l "
          "wrap\">{}</td></tr>",
          chosen ? " class=taken" : "", m.left.size(), bytes_text(m.bytes), text(m.value),
          chosen ? "taken" : "",
          m.holds  ? (chosen ? "" : "holds")
          : chosen ? ", does not hold"
                   : "",
          escape(fmt::format("{}", fmt::join(m.left, ", "))));
    }
    heading(
        "Accuracy and size",
        fmt::format("Mixes that were tried, {} against the size of all weights ({} to {}); "
                    "layers stay in float until {} is no longer so{}.",
                    s.measure, bytes_text(s.tried.front().bytes), bytes_text(s.tried.back().bytes),
                    escape(s.condition), s.stopped.empty() ? "" : ", stopped: " + s.stopped) +
            (s.original ? fmt::format(" The original's score is {:.6g}.", *s.original) : ""));
    html_ += scatter_chart(
        points, s.limit, [](double bytes) { return fmt::format("{:.0f} kB", bytes / 1000); }, text,
        "Size of weights and " + s.measure + " of each mix");
    add("<p class=key><span class=ka></span>holds<span class=kk></span>does not; upwards {}, to "
        "the right the size of weights; with a ring: taken</p>",
        escape(s.measure));
    add("<div class=scroll><table><tr><th>in float</th><th>weights</th><th>{}</th><th></th><th "
        "class=l>layers</th></tr>{}</table></div>",
        escape(s.measure), rows);
  }

  std::optional<double> output_of(const LayerDecision& l) const {
    for (const std::string& value : {l.stored, l.tensor})
      if (const auto it = output_sqnr_.find(value); it != output_sqnr_.end()) return it->second;
    return {};
  }

  // One row per layer with weights, or per compared layer where nothing was decided here.
  void layers() {
    std::vector<BarRow> rows;
    double longest = 10;
    const auto put = [&](BarRow& row, double db, const char* unit) {
      row.values.push_back(db);
      row.texts.push_back(decibel_text(db) + unit);
      if (std::isfinite(db)) longest = std::max(longest, db);
    };
    if (q_) {
      for (const LayerDecision& l : q_->layers) {
        const auto out = output_of(l);
        if (!l.weight_sqnr_db && !(l.bytes_before > 0 && out)) continue;
        BarRow row{.label = name_of(l.node, l.tensor), .values = {}, .texts = {}};
        row.hatched = !l.quantized;
        put(row, l.weight_sqnr_db.value_or(HUGE_VAL), "");
        if (out) put(row, *out, "");
        if (!l.quantized) row.texts[0] = "float32";
        rows.push_back(std::move(row));
      }
    } else if (c_) {
      for (const LayerComparison& l : c_->layers) {
        BarRow row{.label = name_of(l.node, l.value), .values = {}, .texts = {}};
        put(row, l.sqnr_db, "");
        rows.push_back(std::move(row));
      }
    }
    if (rows.empty()) return;
    heading(
        "Error of each layer",
        "Signal over quantization noise in decibels, in graph order: longer is better; 20 dB is "
        "a tenth of the signal.");
    html_ += q_ ? "<p class=key><span class=ka></span>its weights<span class=kb></span>its output, "
                  "with the error of all layers before it<span class=kk></span>kept in float</p>"
                : "<p class=key><span class=ka></span>its output, with the error of all layers "
                  "before it</p>";
    add("<div class=scroll>{}</div>",
        bar_chart(rows, longest,
                  fmt::format("Signal to noise ratio of {} layers, up to {:.0f} dB", rows.size(),
                              longest)));
  }

  void histogram(const Bins& bins, double lo, double hi, const std::string& name,
                 const std::string& text) {
    add("<figure>{}<figcaption><b>{}</b><br>{}</figcaption></figure>",
        histogram_chart(bins.lo, bins.hi, bins.counts, lo, hi,
                        "Histogram of " + name + ", counts on a logarithmic scale"),
        escape(name), escape(text));
  }
  void histograms() {
    if (!q_) return;
    size_t shown = 0, all = 0;
    for (const TensorDecision& t : q_->tensors) all += !t.histogram.counts.empty();
    if (all > 0) {
      heading("Activations and the range that 8 bits cover",
              "As calibration saw them, counts on a logarithmic scale.");
      html_ += "<p class=key><span class=ko></span>outside the range: stored as its end</p>";
      if (all > kHistograms)
        add("<p class=soft>The first {} of {}; the JSON twin has all.</p>", kHistograms, all);
      html_ += "<div class=grid>";
      for (const TensorDecision& t : q_->tensors) {
        if (t.histogram.counts.empty() || shown++ >= kHistograms) continue;
        histogram(t.histogram, double{t.lo}, double{t.hi}, t.tensor,
                  fmt::format("seen {:.4g} to {:.4g}, covers {:.4g} to {:.4g}; scale {:.4g}, zero "
                              "point {}; {} clipped; {}",
                              t.min, t.max, t.lo, t.hi, t.scale, t.zero_point,
                              percent_text(t.clipped_share, 3), t.why));
      }
      html_ += "</div>";
    }
    shown = all = 0;
    for (const LayerDecision& l : q_->layers) all += !l.histogram.counts.empty();
    if (all == 0) return;
    heading("Weights", "All channels together, counts on a logarithmic scale.");
    if (all > kHistograms)
      add("<p class=soft>The first {} of {}; the JSON twin has all.</p>", kHistograms, all);
    html_ += "<div class=grid>";
    for (const LayerDecision& l : q_->layers) {
      if (l.histogram.counts.empty() || shown++ >= kHistograms) continue;
      histogram(l.histogram, 0, 0, name_of(l.node, l.tensor),
                l.quantized ? fmt::format("{}, int8, one scale per {}, {}", l.op, l.granularity,
                                          decibel_text(l.weight_sqnr_db.value_or(HUGE_VAL)))
                            : fmt::format("{}, float32: {}", l.op, l.reason));
    }
    html_ += "</div>";
  }

  void sizes() {
    if (!q_) return;
    std::vector<BarRow> rows;
    double longest = 0;
    for (const LayerDecision& l : q_->layers) {
      if (l.bytes_before == 0) continue;
      const auto before = static_cast<double>(l.bytes_before),
                 after = static_cast<double>(l.bytes_after);
      longest = std::max(longest, before);
      rows.push_back({.label = name_of(l.node, l.tensor),
                      .values = {before, after},
                      .texts = {bytes_text(l.bytes_before), bytes_text(l.bytes_after)},
                      .hatched = !l.quantized});
    }
    if (rows.empty()) return;
    heading("Size of each layer", "Weights, biases and their scales.");
    html_ +=
        "<p class=key><span class=ka></span>before<span class=kb></span>after<span "
        "class=kk></span>kept in float</p>";
    add("<div class=scroll>{}</div>",
        bar_chart(rows, longest, fmt::format("Bytes of {} layers before and after", rows.size())));
  }

  void samples() {
    if (!c_ || c_->samples.empty()) return;
    const auto& list = c_->most_changed.empty() ? c_->samples : c_->most_changed;
    const bool pictures =
        std::ranges::any_of(list, [](const SampleComparison& s) { return s.picture.has_value(); });
    const bool truth =
        std::ranges::any_of(list, [](const SampleComparison& s) { return s.truth.has_value(); });
    heading("Labels and probabilities", c_->most_changed.empty()
                                            ? "The first samples."
                                            : "The samples that changed most: other labels first.");
    html_ += "<div class=scroll><table><tr>";
    if (pictures) html_ += "<th>input</th>";
    html_ += "<th class=l>sample</th>";
    if (truth) html_ += "<th>truth</th>";
    html_ +=
        "<th>label before</th><th>probability</th><th>label after</th><th>probability</th></tr>";
    for (const SampleComparison& s : list) {
      html_ += s.label_a == s.label_b ? "<tr>" : "<tr class=differs>";
      if (pictures) {
        html_ += "<td>";
        if (s.picture)
          add("<img alt=\"input\" width={} height={} src=\"{}\">", s.picture->width,
              s.picture->height,
              picture_source(s.picture->width, s.picture->height, s.picture->channels,
                             s.picture->pixels));
        html_ += "</td>";
      }
      add("<td class=l title=\"{}\">{}</td>", escape(s.source), escape(shorten(s.source, 40)));
      if (truth) add("<td>{}</td>", s.truth ? std::to_string(*s.truth) : "");
      add("<td>{}</td><td>{:.3f}</td><td>{}{}</td><td>{:.3f}</td></tr>", s.label_a, s.probability_a,
          s.label_b, s.label_a == s.label_b ? "" : " (differs)", s.probability_b);
    }
    html_ += "</table></div>";
  }

  void outputs() {
    if (!c_) return;
    heading("Outputs of the model");
    html_ +=
        "<div class=scroll><table><tr><th>output</th><th>SQNR</th><th>cosine</th><th>largest "
        "difference</th></tr>";
    for (const OutputComparison& o : c_->outputs)
      add("<tr><td class=name "
          "title=\"{0}\">{0}</td><td>{1}</td><td>{2:.5f}</td><td>{3:.3g}</td></tr>",
          escape(o.name), decibel_text(o.sqnr_db), o.cosine, o.max_abs);
    html_ += "</table></div>";
  }

  void kept() {
    if (!q_) return;
    heading("What stayed in float, and why");
    std::string rows;
    for (const LayerDecision& l : q_->layers)
      if (!l.quantized)
        rows += fmt::format(
            "<tr><td class=name>{}</td><td class=l>{}</td><td class=\"l wrap\">{}</td></tr>",
            escape(name_of(l.node, l.tensor)), escape(l.op), escape(l.reason));
    if (rows.empty()) {
      html_ += "<p>No layer that could be int8 stayed in float.</p>";
      return;
    }
    add("<div class=scroll><table><tr><th>layer</th><th class=l>operator</th><th "
        "class=l>reason</th></tr>{}</table></div>",
        rows);
  }

  void equalized() {
    if (!q_ || q_->equalized.empty()) return;
    heading(
        "Channels brought to one size",
        "Between these layers some channels were far smaller than others: they got other units, "
        "powers of two, and the float function stayed the same.");
    html_ +=
        "<div class=scroll><table><tr><th>from</th><th class=l>to</th><th>channels</th><th>"
        "gain</th></tr>";
    for (const EqualizedPair& e : q_->equalized)
      add("<tr><td class=name title=\"{0}\">{0}</td><td class=\"l name\" title=\"{1}\">{1}</td>"
          "<td>{2}</td><td>{3}</td></tr>",
          escape(e.first), escape(e.second), e.channels, decibel_text(e.gain_db));
    html_ += "</table></div>";
  }

  void tensors() {
    if (!q_ || q_->tensors.empty()) return;
    heading("Values stored in 8 bits");
    html_ +=
        "<div class=scroll><table><tr><th>value</th><th class=l>type</th><th>seen</th><th>"
        "covers</th><th>scale</th><th>zero point</th><th>clipped</th><th class=l>why</th></tr>";
    for (const TensorDecision& t : q_->tensors)
      add("<tr><td class=name title=\"{0}\">{0}</td><td class=l>{1}</td><td>{2:.4g} to "
          "{3:.4g}</td><td>{4:.4g} to {5:.4g}</td><td>{6:.4g}</td><td>{7}</td><td>{8}</td><td "
          "class=l>{9}</td></tr>",
          escape(t.tensor), t.dtype, t.min, t.max, t.lo, t.hi, t.scale, t.zero_point,
          percent_text(t.clipped_share, 3), escape(t.why));
    html_ += "</table></div>";
  }

  void recipe() {
    heading("To do it again");
    std::string command = "tersor";
    for (const std::string& word : r_.command) command += " " + shell(word);
    add("<pre>{}</pre><p class=soft>", escape(command));
    if (!r_.recipe.empty()) add("recipe: {}<br>", escape(r_.recipe));
    if (q_)
      add("calibration: {} samples, {}{}<br>simplified: {} ({} to {} nodes)<br>",
          q_->calibration_samples, escape(q_->data_summary),
          q_->synthetic ? ", random numbers: not meaningful" : "", escape(q_->simplified),
          q_->nodes_before, q_->nodes_after);
    for (const ReportModel* m : {&r_.original, &r_.compressed})
      add("{}: sha256 {}<br>", escape(m->path), escape(m->sha256));
    std::string isa;
    for (const std::string& name : host_.isa) isa += " " + name;
    add("tersor {}, {}, {} cores,{}</p>", escape(version_), escape(host_.cpu), host_.cores, isa);
  }

  const Report& r_;
  const Host& host_;
  const std::string& version_;
  const QuantizeResult* q_;
  const Comparison* c_;
  std::map<std::string, double> output_sqnr_;  // by value
  std::string html_;
};

}  // namespace

std::string page(const Report& report, const Host& host, const std::string& version) {
  return Page(report, host, version).run();
}

}  // namespace tersor::eval

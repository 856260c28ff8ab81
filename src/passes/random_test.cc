// Random graphs through all passes: whatever is put together must come out the same.
#include "base/error.h"
#include "passes/raise_opset.h"
#include "passes/testing.h"

namespace tersor::passes::testing {
namespace {

using namespace std::string_literals;
using Ints = std::vector<int64_t>;

constexpr uint64_t kGraphs = 300;

// Values of the shapes [n, 4, 6, 6] (images) and [n, 8] (rows) under random operators.
class Generator {
 public:
  Generator(GraphBuilder& b, uint64_t seed) : b_(b), state_(seed * 0x9E3779B97F4A7C15U + 7) {}

  int64_t below(int64_t n) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<int64_t>((state_ >> 16) % static_cast<uint64_t>(n));
  }
  ir::ValueId pick(const Ids& from) {
    return from[static_cast<size_t>(below(static_cast<int64_t>(from.size())))];
  }
  Tensor numbers(Dims dims, double low = -1, double high = 1) {
    return floats(std::move(dims), static_cast<uint64_t>(below(12)), low, high);
  }
  ir::ValueId weight(Dims dims, double low = -1, double high = 1) {
    const Tensor t = numbers(std::move(dims), low, high);
    switch (below(4)) {
      case 0:
        return b_.add("Constant", {}, {{"value", t}});
      case 1:
        return b_.add("Identity", {b_.constant(t)});
      default:
        return b_.constant(t);
    }
  }

  void step() {
    if (below(5) < 3)
      images.push_back(image());
    else
      rows.push_back(row());
  }

  Ids images, rows;

 private:
  ir::ValueId elementwise(const Ids& pool, bool is_image) {
    const ir::ValueId x = pick(pool);
    const Dims full = is_image ? Dims{4, 6, 6} : Dims{8},
               some = is_image ? Dims{4, 1, 1} : Dims{1, 8};
    switch (below(17)) {
      case 0:
        return b_.add("Relu", {x});
      case 1:
        return b_.add("Identity", {x});
      case 2:
        return b_.add("Dropout", {x});
      case 3:
        return b_.add("Add", {x, pick(pool)});
      case 4:
        return b_.add("Add", {x, weight(some)});
      case 5:
        return b_.add("Mul", {weight(some), x});
      case 6:
        return b_.add("Sub", {weight({}), x});
      case 7:
        return b_.add("Div", {x, weight(some, 1, 2)});
      case 8:
        return b_.add("Add", {x, b_.constant(Tensor::zeros(DType::kFloat32, full))});
      case 9:
        return b_.add("Mul", {x, b_.constant(number(1))});
      case 10:
        return b_.add("Clip",
                      {x, b_.constant(number(-1)), below(2) ? ir::kNone : b_.constant(number(2))});
      case 11:
        return b_.add("Cast", {x}, {{"to", int64_t{1}}});
      case 12:
        return b_.add("Max", {x, pick(pool)});
      case 13:
        return b_.add("Tanh", {x});
      case 14:
        return b_.add("Sum", {x});
      case 15: {
        const ir::ValueId gate = b_.add("Clip", {b_.add("Add", {x, b_.constant(number(3))}),
                                                 b_.constant(number(0)), b_.constant(number(6))});
        return b_.add("Div", {b_.add("Mul", {x, gate}), b_.constant(number(6))});
      }
      default: {
        const ir::ValueId erf =
            b_.add("Erf", {b_.add("Div", {x, b_.constant(number(1.41421354))})});
        return b_.add("Mul", {b_.add("Mul", {x, b_.constant(number(0.5))}),
                              b_.add("Add", {erf, b_.constant(number(1))})});
      }
    }
  }

  ir::ValueId normalized(ir::ValueId x) {
    Ids inputs{x, weight({4}, 0.5, 1.5), weight({4}), weight({4}), weight({4}, 0.2, 1)};
    return b_.add("BatchNormalization", inputs);
  }

  ir::ValueId image() {
    const ir::ValueId x = pick(images);
    switch (below(9)) {
      case 0:
        return b_.add("Conv",
                      {x, weight({4, 4, 3, 3}, -0.2, 0.2), below(2) ? weight({4}) : ir::kNone},
                      {{"pads", Ints{1, 1, 1, 1}}});
      case 1:
        return normalized(b_.add("Conv", {x, weight({4, 1, 1, 1})}, {{"group", int64_t{4}}}));
      case 2:
        return normalized(b_.add("ConvTranspose", {x, weight({4, 4, 1, 1}, -0.3, 0.3)}));
      case 3:
        return normalized(x);
      case 4: {
        const ir::ValueId p = b_.add("Pad", {x, b_.constant(ints({0, 0, 1, 0, 0, 0, 1, 2}))});
        return b_.add("Conv", {p, weight({4, 4, 3, 3}, -0.2, 0.2)});
      }
      case 5: {
        const ir::ValueId t = b_.add("Transpose", {x}, {{"perm", Ints{0, 2, 3, 1}}});
        const ir::ValueId u = below(2) ? b_.add("Abs", {t}) : t;
        return b_.add("Transpose", {u}, {{"perm", Ints{0, 3, 1, 2}}});
      }
      case 6: {
        const ir::ValueId n =
            b_.add("Slice", {b_.add("Shape", {x}), b_.constant(ints({0})), b_.constant(ints({1}))});
        const ir::ValueId flat = b_.add(
            "Reshape", {x, b_.add("Concat", {n, b_.constant(ints({-1}))}, {{"axis", int64_t{0}}})});
        return b_.add("Reshape", {flat, b_.constant(ints({0, 4, 6, 6}))});
      }
      case 7: {
        const Ids halves =
            b_.add_many("Split", {x, b_.constant(ints({1, 3}))}, 2, {{"axis", int64_t{1}}});
        return b_.add("Concat", {halves[0], halves[1]}, {{"axis", int64_t{1}}});
      }
      default:
        return elementwise(images, true);
    }
  }

  ir::ValueId row() {
    switch (below(5)) {
      case 0:
        return b_.add("MatMul", {pick(rows), weight({8, 8}, -0.4, 0.4)});
      case 1:
        return b_.add("Add",
                      {b_.add("MatMul", {pick(rows), weight({8, 8}, -0.4, 0.4)}), weight({8})});
      case 2:
        return b_.add("Gemm", {pick(rows), weight({8, 8}, -0.4, 0.4), weight({1, 8})},
                      {{"transB", below(2)}, {"alpha", 0.5F}});
      case 3: {
        const ir::ValueId mean = b_.add("GlobalAveragePool", {pick(images)});
        const ir::ValueId flat = b_.add("Flatten", {mean});
        return b_.add("MatMul", {flat, weight({4, 8})});
      }
      default:
        return elementwise(rows, false);
    }
  }

  GraphBuilder& b_;
  uint64_t state_;
};

ir::Model random_model(uint64_t seed) {
  Build m(13);
  Generator g(m.b, seed);
  g.images.push_back(m.b.input("x", {"n"s, 4, 6, 6}));
  g.rows.push_back(m.b.input("r", {"n"s, 8}));
  const ir::ValueId c = m.b.input("c", {}, DType::kBool);
  const int64_t steps = 3 + g.below(14);
  for (int64_t i = 0; i < steps; ++i) g.step();
  if (g.below(3) == 0) {
    // Both branches go on from values of the graph around them.
    const ir::ValueId image = g.pick(g.images), row = g.pick(g.rows);
    const std::string image_name = m.model.graph.values[image].name,
                      row_name = m.model.graph.values[row].name;
    uint64_t part = seed;
    const auto branch = [&](const std::string& name) {
      return body(name, [&](GraphBuilder& b) {
        Generator inner(b, ++part * 977);
        inner.images.push_back(b.capture(image_name));
        inner.rows.push_back(b.capture(row_name));
        for (int i = 0; i < 5; ++i) inner.step();
        b.output(b.add("Identity", {inner.images.back()}), name + "_y");
      });
    };
    g.images.push_back(
        m.b.add("If", {c}, {{"then_branch", branch("then")}, {"else_branch", branch("else")}}));
    g.step();
  }
  std::set<ir::ValueId> outputs;
  const int64_t wanted = 1 + g.below(3);
  outputs.insert(g.images.back());
  for (int64_t i = 0; i < wanted; ++i) outputs.insert(g.pick(g.below(2) ? g.images : g.rows));
  for (ir::ValueId v : m.model.graph.inputs) outputs.erase(v);
  if (outputs.empty()) outputs.insert(m.b.add("Neg", {g.images.back()}));
  // Bodies know the values by their names, so that those stay.
  for (ir::ValueId v : outputs) m.b.output(v, std::string(m.model.graph.values[v].name));
  return m.model;
}

TEST(RandomGraphs, ComeOutTheSame) {
  for (uint64_t seed = 1; seed <= kGraphs; ++seed) {
    SCOPED_TRACE(seed);
    const ir::Model model = random_model(seed);
    const std::vector<Tensor> inputs{floats({2, 4, 6, 6}, seed, -2, 2),
                                     floats({2, 8}, seed + 1, -2, 2),
                                     Tensor::scalar(seed % 2 == 0)};
    Options options{.opset_ceiling = seed % 3 == 0 ? int64_t{13} : kNewestOpset};
    if (seed % 5 == 0) options.min_opset = 17;
    if (seed % 7 == 0) options.step_limit = static_cast<int64_t>(seed % 23);
    try {
      const Checked done = check(model, options, inputs, 1e-4);
      // Another batch than the one that was looked at.
      const std::vector<Tensor> three{floats({3, 4, 6, 6}, seed), floats({3, 8}, seed), inputs[2]};
      const std::vector<Tensor> want = run(model, three), got = run(done.model, three);
      for (size_t i = 0; i < want.size(); ++i) EXPECT_LE(difference(got[i], want[i]), 1e-4);
    } catch (const std::exception& e) {
      ADD_FAILURE() << e.what() << "\n" << ir::dump(model.graph);
    }
    if (HasFailure()) {
      std::printf("%s\n", ir::dump(model.graph).c_str());
      return;
    }
  }
}

}  // namespace
}  // namespace tersor::passes::testing

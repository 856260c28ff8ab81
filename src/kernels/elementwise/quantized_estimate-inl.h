// Sums and products of codes without a division, over the vector language. Included inside the
// target region and the namespace of one ISA, before quantized_binary-inl.h. No include guard.
//
// An estimate of f(real(a), real(b)) / sy has a known distance at most from the value that the
// definition rounds, and decides the code wherever it is farther than that from a tie. The few
// blocks where it does not are computed by the definition.

struct Side {
  uint8_t flip;
  int32_t zero;
  float scale;
  explicit Side(const ByteOperand& o) noexcept
      : flip(o.is_signed ? 128 : 0), zero(o.zero + (o.is_signed ? 128 : 0)), scale(o.scale) {}
};

// The numbers of a call.
struct Exact {
  Side left, right;
  uint8_t y_flip;
  int32_t y_zero;
  float y_scale, low, high;
  explicit Exact(const ByteBinaryCall& call) noexcept
      : left(call.a),
        right(call.b),
        y_flip(call.y.is_signed ? 128 : 0),
        y_zero(call.y.zero + y_flip),
        y_scale(call.y.scale),
        low(static_cast<float>(call.y.low - call.y.zero)),
        high(static_cast<float>(call.y.high - call.y.zero)) {}
};

using ExactRun = void (*)(const uint8_t*, const uint8_t*, uint8_t*, int64_t, const Exact&);

// The codes as int32, an int8 code 128 higher as `Side` has it.
template <typename S>
[[gnu::always_inline]] inline typename S::f32 codes_of(const uint8_t* p, typename S::s32 flip,
                                                       bool is_signed) noexcept {
  return S::to_f32(is_signed ? S::add(S::load_codes(reinterpret_cast<const int8_t*>(p)), flip)
                             : S::load_codes(p));
}

enum class Signs { none, all, mixed };  // which of the three wires are int8

// kSettled: the estimate holds for every pair of codes, and whether it is near a tie does not
// matter.
template <typename S, bool kSettled, Signs kSigns, typename Estimate>
void run_blocks(const uint8_t* a, const uint8_t* b, uint8_t* y, int64_t n, const Exact& e,
                float error, ExactRun exactly, Estimate estimate) noexcept {
  using F = typename S::f32;
  constexpr int kBlock = S::kBytes;
  const auto flip = S::set(int32_t{128});
  const F minus = S::set(-1.0f);
  const auto is_signed = [](const auto& wire_flip) {
    return kSigns == Signs::all || (kSigns == Signs::mixed && wire_flip != 0);
  };
  const bool a_signed = is_signed(e.left.flip), b_signed = is_signed(e.right.flip);
  const bool y_signed = is_signed(e.y_flip);
  const int zero = e.y_zero - e.y_flip;
  const int low = static_cast<int>(e.low) + zero, high = static_cast<int>(e.high) + zero;
  for (; n >= kBlock; n -= kBlock, a += kBlock, b += kBlock, y += kBlock) {
    typename S::s32 codes[4];
    F farthest = S::set(0.0f);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const F v = estimate(codes_of<S>(a + j * S::kLanes, flip, a_signed),
                           codes_of<S>(b + j * S::kLanes, flip, b_signed));
      codes[j] = S::round(v);
      if constexpr (kSettled) continue;
      const F off = S::add(v, S::mul(S::to_f32(codes[j]), minus));
      farthest = S::max(farthest, S::max(off, S::mul(off, minus)));
    }
    if (!kSettled && S::any_above(farthest, 0.5f - error)) {
      exactly(a, b, y, kBlock, e);
    } else if (y_signed) {
      S::store_bytes(y, S::clamp_s8(S::join_s8(codes, zero), low, high));
    } else {
      S::store_bytes(y, S::clamp_u8(S::join_u8(codes, zero), low, high));
    }
  }
  exactly(a, b, y, n, e);
}

template <typename S, bool kSettled, typename Estimate>
void run_by_estimate(const uint8_t* a, const uint8_t* b, uint8_t* y, int64_t n, const Exact& e,
                     float error, ExactRun exactly, Estimate estimate) noexcept {
  const int wires = (e.left.flip != 0) + (e.right.flip != 0) + (e.y_flip != 0);
  const auto run = wires == 0   ? run_blocks<S, kSettled, Signs::none, Estimate>
                   : wires == 3 ? run_blocks<S, kSettled, Signs::all, Estimate>
                                : run_blocks<S, kSettled, Signs::mixed, Estimate>;
  run(a, b, y, n, e, error, exactly, estimate);
}

inline double magnitude(double x) noexcept { return x < 0 ? -x : x; }
constexpr double kMostError = 0.01;

// Of y = a + sign * b; `error` receives how far it is at most from what the definition rounds.
inline ByteEstimate estimate_of_sum(const Exact& e, int sign, double& error) noexcept {
  const double ka = static_cast<double>(e.left.scale) / static_cast<double>(e.y_scale);
  const double kb = sign * static_cast<double>(e.right.scale) / static_cast<double>(e.y_scale);
  // Five roundings of the definition, five of the estimate, of values within 255 (|ka| + |kb|).
  error = 10 * 0x1p-24 * 255 * (magnitude(ka) + magnitude(kb));
  return {false, static_cast<float>(ka), static_cast<float>(kb),
          static_cast<float>(-ka * e.left.zero - kb * e.right.zero)};
}

// Of y = a * b.
inline ByteEstimate estimate_of_product(const Exact& e, double& error) noexcept {
  const double k = static_cast<double>(e.left.scale) * static_cast<double>(e.right.scale) /
                   static_cast<double>(e.y_scale);
  error = 8 * 0x1p-24 * 65025 * magnitude(k);
  return {false, static_cast<float>(k), 0, 0};
}

template <bool kSettled>
void add_by_estimate(const uint8_t* a, const uint8_t* b, uint8_t* y, int64_t n, const Exact& e,
                     const ByteEstimate& by, double error, ExactRun exactly) noexcept {
  using S = Vectors;
  const auto fa = S::set(by.factor_a), fb = S::set(by.factor_b), constant = S::set(by.constant);
  run_by_estimate<S, kSettled>(
      a, b, y, n, e, static_cast<float>(error), exactly,
      [=](auto p, auto q) { return S::fmadd(q, fb, S::fmadd(p, fa, constant)); });
}

template <bool kSettled>
void multiply_by_estimate(const uint8_t* a, const uint8_t* b, uint8_t* y, int64_t n, const Exact& e,
                          const ByteEstimate& by, double error, ExactRun exactly) noexcept {
  using S = Vectors;
  const auto factor = S::set(by.factor_a);
  const auto za = S::set(static_cast<float>(-e.left.zero));
  const auto zb = S::set(static_cast<float>(-e.right.zero));
  run_by_estimate<S, kSettled>(
      a, b, y, n, e, static_cast<float>(error), exactly,
      [=](auto p, auto q) { return S::mul(S::mul(S::add(p, za), S::add(q, zb)), factor); });
}

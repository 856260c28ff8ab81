// Vectors for loops that the compiler does not vectorize by itself. Included inside the target
// region and the namespace of one ISA, after `kVectorBytes` (16, 32 or 64). No include guard.
//
// A Lanes<T, n> is n elements in as many registers as that takes: n is the same on every ISA, so
// partial results, and with them the bits of a sum, are too.

template <typename T, int kBytes>
struct VectorOf {
  typedef T type __attribute__((vector_size(kBytes), aligned(alignof(T)), may_alias));
};

template <typename T, int kCount>
struct Lanes {
  static constexpr int kBytes = kCount * static_cast<int>(sizeof(T));
  static constexpr int kPart = kBytes < kVectorBytes ? kBytes : kVectorBytes;
  static constexpr int kParts = kBytes / kPart;
  static constexpr int kPartLanes = kPart / static_cast<int>(sizeof(T));
  typedef T Vector __attribute__((vector_size(kPart)));
  using Loose = typename VectorOf<T, kPart>::type;  // unaligned
  Vector v[kParts];

  [[gnu::always_inline]] inline void set(T x) noexcept {
#pragma GCC unroll 16
    for (int i = 0; i < kParts; ++i) v[i] = Vector{} + x;
  }
  [[gnu::always_inline]] inline void load(const T* p) noexcept {
#pragma GCC unroll 16
    for (int i = 0; i < kParts; ++i) v[i] = *reinterpret_cast<const Loose*>(p + i * kPartLanes);
  }
  [[gnu::always_inline]] inline void store(T* p) const noexcept {
#pragma GCC unroll 16
    for (int i = 0; i < kParts; ++i) *reinterpret_cast<Loose*>(p + i * kPartLanes) = v[i];
  }
};

// The 16 partial results of a reduction, combined as a tree: 8 pairs at distance 8, 4, 2, 1.
template <typename T, typename F>
[[gnu::always_inline]] inline T fold16(T* lanes, F f) noexcept {
  for (int step = 8; step > 0; step /= 2)
    for (int i = 0; i < step; ++i) lanes[i] = f(lanes[i], lanes[i + step]);
  return lanes[0];
}

// The same from registers. f takes vectors, too.
template <typename V, typename F>
[[gnu::always_inline]] inline auto fold_vector(V v, F f) noexcept {
  constexpr int kLanes = sizeof(v) / sizeof(v[0]);
  if constexpr (kLanes == 16)
    return fold_vector(f(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7),
                         __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15)),
                       f);
  else if constexpr (kLanes == 8)
    return fold_vector(
        f(__builtin_shufflevector(v, v, 0, 1, 2, 3), __builtin_shufflevector(v, v, 4, 5, 6, 7)), f);
  else {
    static_assert(kLanes == 4);
    const V pairs = f(v, __builtin_shufflevector(v, v, 2, 3, 0, 1));
    return f(pairs, __builtin_shufflevector(pairs, pairs, 1, 0, 3, 2))[0];
  }
}
template <typename T, typename F>
[[gnu::always_inline]] inline T fold16(Lanes<T, 16> lanes, F f) noexcept {
#pragma GCC unroll 4
  for (int half = Lanes<T, 16>::kParts / 2; half > 0; half /= 2)
#pragma GCC unroll 4
    for (int i = 0; i < half; ++i) lanes.v[i] = f(lanes.v[i], lanes.v[i + half]);
  return fold_vector(lanes.v[0], f);
}

// Steps over n elements in 16 interleaved lanes: f(accumulators, vector of x) for whole blocks,
// g(accumulator, element) for the rest. `lanes` holds the start and receives the result.
template <typename T, typename F, typename G>
[[gnu::always_inline]] inline void fold_lanes(const T* x, int64_t n, T* lanes, F f, G g) noexcept {
  using L = Lanes<T, 16>;
  int64_t i = 0;
  if (n >= 16) {
    L acc, part;
    acc.load(lanes);
    for (; i + 16 <= n; i += 16) {
      part.load(x + i);
#pragma GCC unroll 16
      for (int p = 0; p < L::kParts; ++p) acc.v[p] = f(acc.v[p], part.v[p]);
    }
    acc.store(lanes);
  }
  for (int j = 0; i < n; ++i, ++j) lanes[j] = g(lanes[j], x[i]);
}

// As many elements from p on as V holds, a vector or one.
template <typename V, typename T>
[[gnu::always_inline]] inline V load_as(const T* p) noexcept {
  if constexpr (sizeof(V) == sizeof(T))
    return *p;
  else
    return *reinterpret_cast<const typename VectorOf<T, sizeof(V)>::type*>(p);
}

// The same of n elements in 64 lanes as long as there are as many, so that few sums wait for each
// other; all lanes begin with `start`. step(lanes, i) gives the lanes with the elements from i on
// in them, of vectors and scalars; `join` combines two of its results. What fold16 makes of the
// lanes is the result: a chain of its own, best not between two rows.
template <typename T, typename F, typename J>
[[gnu::always_inline]] inline Lanes<T, 16> fold_to_16(int64_t n, T start, F step, J join) noexcept {
  using Wide = Lanes<T, 64>;
  using Narrow = Lanes<T, 16>;
  constexpr int kParts = Narrow::kParts;
  Narrow acc;
  acc.set(start);
  int64_t i = 0;
  if (n >= 64) {
    Wide sums;
    sums.set(start);
    for (; i + 64 <= n; i += 64)
#pragma GCC unroll 16
      for (int p = 0; p < Wide::kParts; ++p) sums.v[p] = step(sums.v[p], i + p * Wide::kPartLanes);
#pragma GCC unroll 4
    for (int p = 0; p < kParts; ++p)
      acc.v[p] = join(join(sums.v[p], sums.v[p + kParts]),
                      join(sums.v[p + 2 * kParts], sums.v[p + 3 * kParts]));
  }
  for (; i + 16 <= n; i += 16)
#pragma GCC unroll 4
    for (int p = 0; p < kParts; ++p) acc.v[p] = step(acc.v[p], i + p * Narrow::kPartLanes);
  if (i < n) {
    T lanes[16];
    acc.store(lanes);
    for (int j = 0; i < n; ++i, ++j) lanes[j] = step(lanes[j], i);
    acc.load(lanes);
  }
  return acc;
}

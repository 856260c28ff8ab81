#include "limits.h"

#include <cmath>
#include <memory>

#include "memory.h"
#include "simd/amx.h"

// The bracket of the largest set: the registers named below are known in it. What runs is chosen
// by name, as in src/kernels.
#include "simd/begin_amx.h"
namespace tersor::bench_kernels {
namespace {

// clang-format off
// Pairs of accumulators, of one row each.
#define ROWS_4(R, ...) \
  R(8, 9, __VA_ARGS__) R(10, 11, __VA_ARGS__) R(12, 13, __VA_ARGS__) R(14, 15, __VA_ARGS__)
#define ROWS_6(R, ...) R(4, 5, __VA_ARGS__) R(6, 7, __VA_ARGS__) ROWS_4(R, __VA_ARGS__)
#define ROWS_8(R, ...) \
  ROWS_4(R, __VA_ARGS__) \
  R(16, 17, __VA_ARGS__) R(18, 19, __VA_ARGS__) R(20, 21, __VA_ARGS__) R(22, 23, __VA_ARGS__)
#define ROWS_10(R, ...) ROWS_8(R, __VA_ARGS__) R(24, 25, __VA_ARGS__) R(26, 27, __VA_ARGS__)
#define ROWS_12(R, ...) ROWS_10(R, __VA_ARGS__) R(28, 29, __VA_ARGS__) R(30, 31, __VA_ARGS__)
#define ROWS_14(R, ...) R(4, 5, __VA_ARGS__) R(6, 7, __VA_ARGS__) ROWS_12(R, __VA_ARGS__)

// V: ymm or zmm. Operands in AT&T order: the last one is written.
#define TWO(op, V, a, b) op " %%" V #a ", %%" V #b "\n"
#define THREE(op, V, a, b, c) op " %%" V #a ", %%" V #b ", %%" V #c "\n"
#define LOAD(V, at, a) "vmovups " #at "(%1), %%" V #a "\n"
#define STORE(V, a) "vmovups %%" V #a ", 640(%1)\n"
#define BROADCAST(op, V, at, a) op " " #at "(%1), %%" V #a "\n"
#define WITH_LOADED(op, V, at, a, b) op " " #at "(%1), %%" V #a ", %%" V #b "\n"
#define COLUMNS_2(V) LOAD(V, 0, 0) LOAD(V, 64, 1)
#define COLUMNS_4(V) COLUMNS_2(V) LOAD(V, 128, 2) LOAD(V, 192, 3)

// A row times two columns by one instruction: fp32 FMA, vpdpbusd, vpdpwssd.
#define FUSED_ROW(a, b, V, broadcast, op) \
  BROADCAST(broadcast, V, 256, 2) THREE(op, V, 0, 2, a) THREE(op, V, 1, 2, b)
// ... by pmaddwd and paddd.
#define WORDS_ROW(a, b, V) \
  BROADCAST("vpbroadcastd", V, 256, 2) \
  THREE("vpmaddwd", V, 0, 2, 3) THREE("vpaddd", V, 3, a, a) \
  THREE("vpmaddwd", V, 1, 2, 3) THREE("vpaddd", V, 3, b, b)

// Quads of bytes, widened to even and odd ones: columns once, each row of A once.
#define WIDEN_COLUMN(V, at, even, odd) \
  LOAD(V, at, odd) "vpsllw $8, %%" V #odd ", %%" V #even "\n" \
  "vpsraw $8, %%" V #even ", %%" V #even "\n" "vpsraw $8, %%" V #odd ", %%" V #odd "\n"
#define WIDENED_COLUMNS(V) WIDEN_COLUMN(V, 0, 0, 1) WIDEN_COLUMN(V, 64, 2, 3)
#define WORDS_TO(V, column, a, through, sum) \
  THREE("vpmaddwd", V, column, a, through) THREE("vpaddd", V, through, sum, sum)
#define WIDENED_ROW(a, b, V, land) \
  BROADCAST("vpbroadcastd", V, 256, 4) WITH_LOADED(land, V, 320, 4, 6) \
  "vpsrlw $8, %%" V "4, %%" V "4\n" \
  WORDS_TO(V, 0, 6, 5, a) WORDS_TO(V, 2, 6, 7, b) WORDS_TO(V, 1, 4, 5, a) WORDS_TO(V, 3, 4, 7, b)

// Two quads of magnitudes by pmaddubsw, summed in 16 bits.
#define MAGNITUDES_TO(V, first, second, sum) \
  THREE("vpmaddubsw", V, first, 4, 6) THREE("vpmaddubsw", V, second, 5, 7) \
  THREE("vpaddw", V, 6, 7, 7) WITH_LOADED("vpmaddwd", V, 384, 7, 7) \
  THREE("vpaddd", V, 7, sum, sum)
#define MAGNITUDES_ROW(a, b, V) \
  BROADCAST("vpbroadcastd", V, 256, 4) BROADCAST("vpbroadcastd", V, 260, 5) \
  MAGNITUDES_TO(V, 0, 2, a) MAGNITUDES_TO(V, 1, 3, b)

// A column of depthwise pixels: its address is loaded, too.
#define DW_COLUMN(V, at, a) "movq 512(%1), %%rax\n" LOAD(V, at, a)
#define DW_WIDENED(V, at, a) "movq 512(%1), %%rax\n" BROADCAST("vpmovzxbw", V, at, a)

// Depthwise 3x3 of stride 1 in fp32, two rows: a column of four pixels gives three sums to each,
// of three products; two more add up to an output.
#define DW_MUL(V, w, sum) THREE("vmulps", V, w, 5, sum)
#define DW_FMA(V, w, sum) THREE("vfmadd231ps", V, w, 5, sum)
#define DW_THREE(OP, V, a, b, c) OP(V, 0, a) OP(V, 1, b) OP(V, 2, c)
#define DW_OUT(V, two, one, a, b, c) \
  THREE("vaddps", V, c, two, c) THREE("vmaxps", V, 3, c, c) THREE("vminps", V, 4, c, c) STORE(V, c) \
  THREE("vaddps", V, b, one, two) THREE("vaddps", V, 3, a, one)
#define DW_FLOATS(V) \
  DW_COLUMN(V, 64, 5) DW_THREE(DW_MUL, V, 6, 7, 8) \
  DW_COLUMN(V, 128, 5) DW_THREE(DW_FMA, V, 6, 7, 8) DW_THREE(DW_MUL, V, 9, 10, 11) \
  DW_COLUMN(V, 192, 5) DW_THREE(DW_FMA, V, 6, 7, 8) DW_THREE(DW_FMA, V, 9, 10, 11) \
  DW_COLUMN(V, 256, 5) DW_THREE(DW_FMA, V, 9, 10, 11) \
  DW_OUT(V, 12, 13, 6, 7, 8) DW_OUT(V, 14, 15, 9, 10, 11)

// Four vectors of sums, from a bias and to bytes.
#define BIAS_4(V, a, b, c, d) LOAD(V, 0, a) LOAD(V, 0, b) LOAD(V, 0, c) LOAD(V, 0, d)
#define SCALED(V, sum) \
  TWO("vcvtdq2ps", V, sum, sum) WITH_LOADED("vmulps", V, 192, sum, sum) \
  TWO("vcvtps2dq", V, sum, sum)
#define TO_BYTES(V, a, b, c, d) \
  SCALED(V, a) SCALED(V, b) SCALED(V, c) SCALED(V, d) \
  THREE("vpackssdw", V, b, a, a) THREE("vpackssdw", V, d, c, c) \
  WITH_LOADED("vpaddsw", V, 128, a, a) WITH_LOADED("vpaddsw", V, 128, c, c) \
  THREE("vpackuswb", V, c, a, a) STORE(V, a)

// Depthwise 3x3 of stride 1 in bytes: two outputs from each zipped quad of columns.
#define DW_ZIP_BYTES(V, a, b, low, high) \
  THREE("vpunpcklbw", V, b, a, low) THREE("vpunpckhbw", V, b, a, high)
#define DW_ZIP_WORDS(V, low, high, low2, high2, a, b, c, d) \
  THREE("vpunpcklwd", V, low2, low, a) THREE("vpunpckhwd", V, low2, low, b) \
  THREE("vpunpcklwd", V, high2, high, c) THREE("vpunpckhwd", V, high2, high, d)
#define DW_DOT_4(V, op, a, b, c, d, e, f, g, h) \
  WITH_LOADED(op, V, 64, a, e) WITH_LOADED(op, V, 128, b, f) \
  WITH_LOADED(op, V, 192, c, g) WITH_LOADED(op, V, 256, d, h)
#define DW_QUAD(V, op) \
  DW_COLUMN(V, 0, 0) DW_COLUMN(V, 64, 1) DW_COLUMN(V, 128, 2) DW_COLUMN(V, 192, 3) \
  DW_ZIP_BYTES(V, 0, 1, 4, 5) DW_ZIP_BYTES(V, 2, 3, 6, 7) \
  DW_ZIP_WORDS(V, 4, 5, 6, 7, 0, 1, 2, 3) \
  DW_DOT_4(V, op, 0, 1, 2, 3, 8, 9, 10, 11) DW_DOT_4(V, op, 0, 1, 2, 3, 12, 13, 14, 15)
#define DW_TWO(V, op) \
  BIAS_4(V, 8, 9, 10, 11) BIAS_4(V, 12, 13, 14, 15) \
  DW_QUAD(V, op) DW_QUAD(V, op) DW_QUAD(V, op) \
  TO_BYTES(V, 8, 9, 10, 11) TO_BYTES(V, 12, 13, 14, 15)
// ... two rows of them from a zipped quad of a column, each with three sums in flight.
#define DW_SLIDE(V, op) \
  DW_COLUMN(V, 0, 0) DW_COLUMN(V, 64, 1) DW_COLUMN(V, 128, 2) DW_COLUMN(V, 192, 3) \
  DW_ZIP_BYTES(V, 0, 1, 4, 5) DW_ZIP_BYTES(V, 2, 3, 6, 7) \
  DW_ZIP_WORDS(V, 4, 5, 6, 7, 0, 1, 2, 3) \
  DW_DOT_4(V, op, 0, 1, 2, 3, 8, 9, 10, 11) DW_DOT_4(V, op, 0, 1, 2, 3, 12, 13, 14, 15) \
  DW_DOT_4(V, op, 0, 1, 2, 3, 16, 17, 18, 19) DW_DOT_4(V, op, 0, 1, 2, 3, 20, 21, 22, 23) \
  DW_DOT_4(V, op, 0, 1, 2, 3, 24, 25, 26, 27) DW_DOT_4(V, op, 0, 1, 2, 3, 28, 29, 30, 31) \
  TO_BYTES(V, 8, 9, 10, 11) TO_BYTES(V, 12, 13, 14, 15) \
  BIAS_4(V, 8, 9, 10, 11) BIAS_4(V, 12, 13, 14, 15)
// ... in words, two by two outputs from four columns of two zipped pairs of pixels.
#define DW_PAIR(V, a, b, low, high) \
  DW_WIDENED(V, 0, a) DW_WIDENED(V, 64, b) \
  THREE("vpunpcklwd", V, b, a, low) THREE("vpunpckhwd", V, b, a, high)
#define DW_WORDS(V, half, sum) \
  WITH_LOADED("vpmaddwd", V, 128, half, 4) THREE("vpaddd", V, 4, sum, sum)
#define DW_NEIGHBOUR(V, a, b, c, d) \
  DW_WORDS(V, 2, a) DW_WORDS(V, 3, b) DW_WORDS(V, 2, c) DW_WORDS(V, 3, d)
#define DW_OUTER(V) DW_PAIR(V, 0, 1, 2, 3) DW_NEIGHBOUR(V, 8, 9, 10, 11)
#define DW_INNER(V) DW_OUTER(V) DW_NEIGHBOUR(V, 12, 13, 14, 15)
#define DW_TWO_BY_TWO(V) \
  BIAS_4(V, 8, 9, 10, 11) BIAS_4(V, 12, 13, 14, 15) \
  DW_OUTER(V) DW_OUTER(V) DW_INNER(V) DW_INNER(V) \
  DW_INNER(V) DW_INNER(V) DW_OUTER(V) DW_OUTER(V) \
  TO_BYTES(V, 8, 9, 12, 13) TO_BYTES(V, 10, 11, 14, 15)
// ... with registers for all columns: a weight is loaded once for both neighbours.
#define DW_ZIPPED(V, low, high) DW_PAIR(V, 28, 29, low, high)
#define DW_BOTH(V, left, right, a, b) \
  LOAD(V, 128, 24) THREE("vpmaddwd", V, 24, left, 25) THREE("vpaddd", V, 25, a, a) \
  THREE("vpmaddwd", V, 24, right, 26) THREE("vpaddd", V, 26, b, b)
#define DW_BOTH_4(V, a, b, c, d, e, f, g, h, s, t, u, v) \
  DW_BOTH(V, a, e, s, u) DW_BOTH(V, b, f, t, v) DW_BOTH(V, c, g, s, u) DW_BOTH(V, d, h, t, v)
#define DW_TAPS(V, ...) \
  DW_BOTH_4(V, __VA_ARGS__, 16, 17, 18, 19) DW_BOTH_4(V, __VA_ARGS__, 20, 21, 22, 23)
#define DW_HELD_COLUMNS(V) \
  BIAS_4(V, 16, 17, 18, 19) BIAS_4(V, 20, 21, 22, 23) \
  DW_ZIPPED(V, 0, 1) DW_ZIPPED(V, 2, 3) DW_ZIPPED(V, 4, 5) DW_ZIPPED(V, 6, 7) \
  DW_ZIPPED(V, 8, 9) DW_ZIPPED(V, 10, 11) DW_ZIPPED(V, 12, 13) DW_ZIPPED(V, 14, 15) \
  DW_TAPS(V, 0, 1, 2, 3, 4, 5, 6, 7) DW_TAPS(V, 4, 5, 6, 7, 8, 9, 10, 11) \
  DW_TAPS(V, 8, 9, 10, 11, 12, 13, 14, 15) \
  TO_BYTES(V, 16, 17, 18, 19) TO_BYTES(V, 20, 21, 22, 23)

// Plain loops: elements go through all passes over them in a step.
#define SUM_LOADED(op, V, at, a) WITH_LOADED(op, V, at, a, a)

// Four vectors of int32 to one of bytes within bounds, in order.
#define JOIN_256 "vpermd %%ymm0, %%ymm15, %%ymm0\n"
#define JOIN_512 "vpermd %%zmm0, %%zmm15, %%zmm0\n"
#define JOINED(V, join) \
  THREE("vpackssdw", V, 1, 0, 0) THREE("vpackssdw", V, 3, 2, 2) \
  THREE("vpaddsw", V, 14, 0, 0) THREE("vpaddsw", V, 14, 2, 2) \
  THREE("vpackuswb", V, 2, 0, 0) join \
  THREE("vpmaxub", V, 13, 0, 0) THREE("vpminub", V, 12, 0, 0) STORE(V, 0)

// A quotient, not above the highest code; the lowest one is minded in bytes.
#define QUOTIENT(V, at, a) \
  LOAD(V, at, a) THREE("vdivps", V, 11, a, a) THREE("vminps", V, a, 10, a) \
  TWO("vcvtps2dq", V, a, a)
// The same by products, twice corrected, chosen where it is within bounds.
#define QUOTIENT_512(V, at, a) \
  LOAD(V, at, a) THREE("vmulps", V, 11, a, 4) TWO("vmovaps", V, a, 5) \
  THREE("vfnmadd231ps", V, 4, 10, 5) THREE("vfmadd213ps", V, 4, 11, 5) \
  THREE("vfnmadd231ps", V, 5, 10, a) THREE("vfmadd213ps", V, 5, 11, a) \
  THREE("vandps", V, 9, 4, 6) "vcmpltps %%zmm8, %%zmm6, %%k1\n" \
  "vblendmps %%zmm" #a ", %%zmm4, %%zmm" #a "%{%%k1%}\n" \
  THREE("vminps", V, a, 7, a) TWO("vcvtps2dq", V, a, a)
#define QUANTIZE(quotient, V, join) \
  quotient(V, 0, 0) quotient(V, 64, 1) quotient(V, 128, 2) quotient(V, 192, 3) JOINED(V, join)
#define CODE(V, at, a) BROADCAST("vpmovzxbd", V, at, a)
#define REAL(V, at, a) \
  CODE(V, at, a) THREE("vpsubd", V, 4, a, a) TWO("vcvtdq2ps", V, a, a) \
  THREE("vmulps", V, 5, a, a) STORE(V, a)
#define DEQUANTIZE(V) REAL(V, 0, 0) REAL(V, 64, 1) REAL(V, 128, 2) REAL(V, 192, 3)
#define ADD_CODES(V, at, a) \
  CODE(V, at, a) TWO("vcvtdq2ps", V, a, a) CODE(V, at, 4) TWO("vcvtdq2ps", V, 4, 4) \
  THREE("vfmadd213ps", V, 5, 6, a) THREE("vfmadd231ps", V, 4, 7, a) TWO("vcvtps2dq", V, a, a)
#define ADD_BYTES(V, join) \
  ADD_CODES(V, 0, 0) ADD_CODES(V, 64, 1) ADD_CODES(V, 128, 2) ADD_CODES(V, 192, 3) JOINED(V, join)

// Two vectors of bytes among 32 entries, 128 apart, by vpshufb; joined by bits 4 to 6.
#define LOOKED_UP(x, turned, a) \
  "vpshufb %%ymm" #x ", %%ymm0, %%ymm" #a "\nvpshufb %%ymm" #turned ", %%ymm1, %%ymm15\n" \
  "vpor %%ymm15, %%ymm" #a ", %%ymm" #a "\n"
#define ENTRIES(a, b) \
  "vbroadcasti128 (%1), %%ymm0\nvbroadcasti128 128(%1), %%ymm1\n" \
  LOOKED_UP(2, 4, a) LOOKED_UP(3, 5, b)
#define CHOSEN(bit, a, b) "vpblendvb %%ymm" #bit ", %%ymm" #b ", %%ymm" #a ", %%ymm" #a "\n"
#define CHOSEN_2(bit, other, a, b, c, d) CHOSEN(bit, a, b) CHOSEN(other, c, d)
#define LOOK_UP_256 \
  LOAD("ymm", 0, 2) LOAD("ymm", 64, 3) \
  THREE("vpxor", "ymm", 2, 2, 4) THREE("vpxor", "ymm", 3, 3, 5) \
  "vpsllw $3, %%ymm2, %%ymm6\nvpsllw $3, %%ymm3, %%ymm7\n" \
  ENTRIES(8, 9) ENTRIES(10, 11) CHOSEN_2(6, 7, 8, 10, 9, 11) \
  ENTRIES(10, 11) ENTRIES(12, 13) CHOSEN_2(6, 7, 10, 12, 11, 13) \
  "vpsllw $2, %%ymm2, %%ymm14\nvpsllw $2, %%ymm3, %%ymm15\n" CHOSEN_2(14, 15, 8, 10, 9, 11) \
  ENTRIES(10, 11) ENTRIES(12, 13) CHOSEN_2(6, 7, 10, 12, 11, 13) \
  ENTRIES(12, 13) ENTRIES(14, 15) CHOSEN_2(6, 7, 12, 14, 13, 15) \
  "vpsllw $2, %%ymm2, %%ymm14\nvpsllw $2, %%ymm3, %%ymm15\n" CHOSEN_2(14, 15, 10, 12, 11, 13) \
  "vpsllw $1, %%ymm2, %%ymm14\nvpsllw $1, %%ymm3, %%ymm15\n" CHOSEN_2(14, 15, 8, 10, 9, 11) \
  STORE("ymm", 8) STORE("ymm", 9)
// A vector of bytes among 128 words by vpermi2w, even and odd ones; bit 0 chooses in the word.
#define WORDS_OF(count, at, a) \
  "vpsrlw $" #count ", %%zmm0, %%zmm" #at "\nvmovdqa64 %%zmm" #at ", %%zmm" #a "\n" \
  "vpermi2w %%zmm11, %%zmm10, %%zmm" #a "\nvpermi2w %%zmm13, %%zmm12, %%zmm" #at "\n" \
  "vmovdqu16 %%zmm" #at ", %%zmm" #a "%{%%k1%}\n"
#define LOOK_UP_512 \
  LOAD("zmm", 0, 0) "vptestmw %%zmm14, %%zmm0, %%k1\n" WORDS_OF(1, 2, 3) \
  "vpmovw2m %%zmm0, %%k1\n" WORDS_OF(9, 4, 5) "vptestmb %%zmm14, %%zmm0, %%k2\n" \
  "vmovdqa64 %%zmm3, %%zmm6\nvpshufb %%zmm15, %%zmm5, %%zmm6%{%%k3%}\n" \
  "vpshufb %%zmm15, %%zmm3, %%zmm5%{%%k4%}\nvmovdqu8 %%zmm5, %%zmm6%{%%k2%}\n" STORE("zmm", 6)

// The largest of nine pixels, the address of each of which is loaded, too.
#define PIXEL(V) "movq 512(%1), %%rax\nvpmaxub (%1,%%rax), %%" V "0, %%" V "0\n"
#define NINE_PIXELS(V) \
  "movq 512(%1), %%rax\nvmovups (%1,%%rax), %%" V "0\n" \
  PIXEL(V) PIXEL(V) PIXEL(V) PIXEL(V) PIXEL(V) PIXEL(V) PIXEL(V) PIXEL(V) STORE(V, 0)

// Some vectors side by side; K is a constant in a register, P one of a polynomial, in memory where
// registers are few.
#define P_256 "128(%1)"
#define K_256 "%%ymm14"
#define K_512 "%%zmm31"
#define VECTORS_2(M, V, K) M(V, K, 0, 1, 2, 3, 4) M(V, K, 5, 6, 7, 8, 9)
#define VECTORS_3(M, V, K) VECTORS_2(M, V, K) M(V, K, 10, 11, 12, 13, 14)
#define WITH_K(op, V, K, a, b) op " " K ", %%" V #a ", %%" V #b "\n"
#define FIRST_TERMS(V, K, b, a) "vmovups " K ", %%" V #a "\n" WITH_K("vfmadd231ps", V, K, b, a)
#define NEXT_TERM(V, K, b, a) WITH_K("vfmadd213ps", V, K, b, a)

// x / 2 * (1 + erf), erf of |x| as a quotient of polynomials p and q, with the sign of x.
#define GELU_BEGIN(V, K, x, v, s, p, q) \
  LOAD(V, 0, x) WITH_K("vmulps", V, K, x, v) WITH_K("vandps", V, K, v, v) \
  WITH_K("vpminud", V, K, v, v) THREE("vmulps", V, v, v, s)
#define GELU_FIRST(V, K, x, v, s, p, q) FIRST_TERMS(V, K, s, p) FIRST_TERMS(V, K, s, q)
#define GELU_BOTH(V, K, x, v, s, p, q) NEXT_TERM(V, K, s, p) NEXT_TERM(V, K, s, q)
#define GELU_P(V, K, x, v, s, p, q) NEXT_TERM(V, K, s, p)
#define GELU_QUOTIENT(V, K, x, v, s, p, q) \
  THREE("vmulps", V, v, p, p) THREE("vdivps", V, q, p, p) WITH_K("vpminud", V, K, p, p)
#define GELU_SIGN_256(V, K, x, v, s, p, q) WITH_K("vandps", V, K, x, v) THREE("vorps", V, v, p, p)
#define GELU_SIGN_512(V, K, x, v, s, p, q) \
  "vpternlogd $0xf8, " K ", %%" V #x ", %%" V #p "\n"
#define GELU_END(V, K, x, v, s, p, q) \
  WITH_K("vmulps", V, K, x, x) THREE("vfmadd213ps", V, x, p, x) STORE(V, x)
#define GELU(EACH, V, K, P, sign) \
  EACH(GELU_BEGIN, V, K) EACH(GELU_FIRST, V, P) EACH(GELU_BOTH, V, P) EACH(GELU_BOTH, V, P) \
  EACH(GELU_BOTH, V, P) EACH(GELU_P, V, P) EACH(GELU_P, V, P) EACH(GELU_QUOTIENT, V, K) \
  EACH(sign, V, K) EACH(GELU_END, V, K)

// Softmax: the largest; e to the difference, by a polynomial and a power of two, and the sum; the
// product. Each of some rows.
#define SOFTMAX_BEGIN(V, K, x, shifted, n, p, top) \
  SUM_LOADED("vmaxps", V, 0, top) LOAD(V, 64, x) THREE("vsubps", V, 15, x, x) \
  WITH_K("vmaxps", V, K, x, x) \
  FIRST_TERMS(V, K, x, shifted) "vsubps " K ", %%" V #shifted ", %%" V #n "\n" \
  WITH_K("vfmadd231ps", V, K, n, x) WITH_K("vfmadd231ps", V, K, n, x)
#define SOFTMAX_FIRST(V, K, x, shifted, n, p, top) FIRST_TERMS(V, K, x, p)
#define SOFTMAX_NEXT(V, K, x, shifted, n, p, top) NEXT_TERM(V, K, x, p)
#define SOFTMAX_END(V, K, x, shifted, n, p, top) \
  "vpslld $23, %%" V #shifted ", %%" V #shifted "\n" THREE("vmulps", V, shifted, p, p) \
  THREE("vaddps", V, p, top, top) STORE(V, p) LOAD(V, 128, n) THREE("vmulps", V, 15, n, n) \
  STORE(V, n)
#define SOFTMAX(EACH, V, K, P) \
  EACH(SOFTMAX_BEGIN, V, K) EACH(SOFTMAX_FIRST, V, P) EACH(SOFTMAX_NEXT, V, P) \
  EACH(SOFTMAX_NEXT, V, P) EACH(SOFTMAX_NEXT, V, P) EACH(SOFTMAX_NEXT, V, P) \
  EACH(SOFTMAX_NEXT, V, P) EACH(SOFTMAX_END, V, K)

// Layer normalization: the sum; that of the squares around the mean; the product.
#define LAYERNORM(V, a, b) \
  SUM_LOADED("vaddps", V, 0, a) \
  LOAD(V, 64, 0) THREE("vsubps", V, 2, 0, 0) THREE("vfmadd231ps", V, 0, 0, b) \
  LOAD(V, 128, 1) THREE("vsubps", V, 2, 1, 1) THREE("vmulps", V, 3, 1, 1) STORE(V, 1)
#define LAYERNORM_2(V, a, b, c, d) LAYERNORM(V, a, b) LAYERNORM(V, c, d)
#define LAYERNORM_512 LAYERNORM_2("zmm", 8, 12, 9, 13) LAYERNORM_2("zmm", 10, 14, 11, 15)
// ... with too few registers for one pass the next row's lines are fetched ahead.
#define LAYERNORM_256 \
  LAYERNORM_2("ymm", 8, 12, 9, 13) "prefetcht0 192(%1)\n" \
  LAYERNORM_2("ymm", 10, 14, 11, 15) "prefetcht0 256(%1)\n"

#define REGISTERS_256                                                                      \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
      "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
#define REGISTERS_512                                                                             \
  REGISTERS_256, "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", \
      "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31"
// clang-format on
// Registers begin as zeros, as the lines are: no number is slower than another.
#define ZEROS_256                                  \
  ".irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n" \
  "vpxor %%xmm\\i, %%xmm\\i, %%xmm\\i\n.endr\n"
#define ZEROS_512                                            \
  ZEROS_256                                                  \
  ".irp i,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n" \
  "vpxord %%zmm\\i, %%zmm\\i, %%zmm\\i\n.endr\n"
#define MIX(name, zeros, body, ...)                                \
  void name(int64_t steps, const void* lines) noexcept {           \
    asm volatile(zeros "1:\n" body "decq %0\njnz 1b\nvzeroupper\n" \
                 : "+r"(steps)                                     \
                 : "r"(lines)                                      \
                 : "cc", "memory", "rax", __VA_ARGS__);            \
  }
#define MIX_256(name, body) MIX(name, ZEROS_256, body, REGISTERS_256)
#define MIX_512(name, body) MIX(name, ZEROS_512, body, REGISTERS_512)

MIX_256(fma_avx2, COLUMNS_2("ymm") ROWS_6(FUSED_ROW, "ymm", "vbroadcastss", "vfmadd231ps"))
MIX_512(fma_avx512, COLUMNS_2("zmm") ROWS_14(FUSED_ROW, "zmm", "vbroadcastss", "vfmadd231ps"))
MIX_256(quads_avx2, WIDENED_COLUMNS("ymm") ROWS_4(WIDENED_ROW, "ymm", "vpand"))
MIX_512(quads_avx512, WIDENED_COLUMNS("zmm") ROWS_10(WIDENED_ROW, "zmm", "vpandd"))
MIX_256(quads_avxvnni,
        COLUMNS_2("ymm") ROWS_6(FUSED_ROW, "ymm", "vpbroadcastd", "%{vex%} vpdpbusd"))
MIX_512(quads_avx512vnni, COLUMNS_2("zmm") ROWS_14(FUSED_ROW, "zmm", "vpbroadcastd", "vpdpbusd"))
MIX_256(magnitudes_avx2, COLUMNS_4("ymm") ROWS_4(MAGNITUDES_ROW, "ymm"))
MIX_512(magnitudes_avx512, COLUMNS_4("zmm") ROWS_8(MAGNITUDES_ROW, "zmm"))
MIX_256(pairs_avx2, COLUMNS_2("ymm") ROWS_4(WORDS_ROW, "ymm"))
MIX_512(pairs_avx512, COLUMNS_2("zmm") ROWS_12(WORDS_ROW, "zmm"))
MIX_256(pairs_avxvnni,
        COLUMNS_2("ymm") ROWS_6(FUSED_ROW, "ymm", "vpbroadcastd", "%{vex%} vpdpwssd"))
MIX_512(pairs_avx512vnni, COLUMNS_2("zmm") ROWS_14(FUSED_ROW, "zmm", "vpbroadcastd", "vpdpwssd"))
MIX_512(bf16_pairs_avx512bf16,
        COLUMNS_2("zmm") ROWS_14(FUSED_ROW, "zmm", "vpbroadcastd", "vdpbf16ps"))
MIX_256(dw_fma_avx2, DW_FLOATS("ymm"))
MIX_512(dw_fma_avx512, DW_FLOATS("zmm"))
MIX_256(dw_pairs_avx2, DW_TWO_BY_TWO("ymm"))
MIX_512(dw_pairs_avx512, DW_HELD_COLUMNS("zmm"))
MIX_256(dw_quads_avxvnni, DW_TWO("ymm", "%{vex%} vpdpbusd"))
MIX_512(dw_slide_32, DW_SLIDE("ymm", "vpdpbusd"))
MIX_512(dw_slide_64, DW_SLIDE("zmm", "vpdpbusd"))
MIX_256(quantize_avx2, QUANTIZE(QUOTIENT, "ymm", JOIN_256))
MIX_512(dividing_avx512, QUANTIZE(QUOTIENT, "zmm", JOIN_512))
MIX_512(multiplying_avx512, QUANTIZE(QUOTIENT_512, "zmm", JOIN_512))
void quantize_avx512(int64_t steps, const void* lines) noexcept {
  base::divides_quickly() ? dividing_avx512(steps, lines) : multiplying_avx512(steps, lines);
}
MIX_256(dequantize_avx2, DEQUANTIZE("ymm"))
MIX_512(dequantize_avx512, DEQUANTIZE("zmm"))
MIX_256(add_bytes_avx2, ADD_BYTES("ymm", JOIN_256))
MIX_512(add_bytes_avx512, ADD_BYTES("zmm", JOIN_512))
MIX_256(look_up_avx2, LOOK_UP_256)
MIX_512(look_up_avx512, LOOK_UP_512)
MIX_256(nine_pixels_avx2, NINE_PIXELS("ymm"))
MIX_512(nine_pixels_avx512, NINE_PIXELS("zmm"))
MIX_256(gelu_avx2, GELU(VECTORS_2, "ymm", K_256, P_256, GELU_SIGN_256))
MIX_512(gelu_avx512, GELU(VECTORS_3, "zmm", K_512, K_512, GELU_SIGN_512))
MIX_256(softmax_avx2, SOFTMAX(VECTORS_2, "ymm", K_256, P_256))
MIX_512(softmax_avx512, SOFTMAX(VECTORS_3, "zmm", K_512, K_512))
MIX_256(layernorm_avx2, LAYERNORM_256)
MIX_512(layernorm_avx512, LAYERNORM_512)

// Two tiles of rows times two of columns: bytes or bfloat16.
template <bool kBytes>
void tiles_amx(int64_t steps, const void* lines) noexcept {
  using T = simd::Amx::Tiles;
  T::open();
  for (; steps > 0; --steps) {
    T::load<4>(lines, 64);
    T::load<5>(lines, 64);
    T::load<6>(lines, 64);
    T::load<7>(lines, 64);
    if constexpr (kBytes) {
      T::dot<0, 4, 6, false>();
      T::dot<1, 4, 7, false>();
      T::dot<2, 5, 6, false>();
      T::dot<3, 5, 7, false>();
    } else {
      T::dot2<0, 4, 6>();
      T::dot2<1, 4, 7>();
      T::dot2<2, 5, 6>();
      T::dot2<3, 5, 7>();
    }
  }
  T::close();
}

// One vector; what was loaded is dropped.
template <int kWidth>
[[gnu::always_inline]] inline void load(const std::byte* p) noexcept {
  if constexpr (kWidth == 64)
    asm volatile("vmovups %0, %%zmm0" : : "m"(*p) : "xmm0");
  else if constexpr (kWidth == 32)
    asm volatile("vmovups %0, %%ymm0" : : "m"(*p) : "xmm0");
  else
    asm volatile("movups %0, %%xmm0" : : "m"(*p) : "xmm0");
}
template <int kWidth>
[[gnu::always_inline]] inline void store(std::byte* p) noexcept {
  if constexpr (kWidth == 64)
    asm volatile("vmovups %%zmm1, %0" : "=m"(*p));
  else if constexpr (kWidth == 32)
    asm volatile("vmovups %%ymm1, %0" : "=m"(*p));
  else
    asm volatile("movups %%xmm1, %0" : "=m"(*p));
}

template <int kWidth, int kLoads, int kStores>
void stream(const std::byte* in, std::byte* out, int64_t steps) noexcept {
#pragma GCC unroll 4
  for (int64_t i = 0; i < steps; ++i, in += kLoads * kWidth, out += kStores * kWidth) {
#pragma GCC unroll 9
    for (int j = 0; j < kLoads; ++j) load<kWidth>(in + j * kWidth);
#pragma GCC unroll 9
    for (int j = 0; j < kStores; ++j) store<kWidth>(out + j * kWidth);
  }
}

}  // namespace
}  // namespace tersor::bench_kernels
#include "simd/end.h"

namespace tersor::bench_kernels {
namespace {

using base::Isa;

struct Mix {
  std::string_view form;
  Isa isa;
  double products;
  void (*run)(int64_t steps, const void* lines) noexcept;
};
// The numbers are products of a step: rows x columns x products of a lane; or, from `quantize` on,
// elements of it.
constexpr Mix kMixes[] = {
    {"fma", Isa::avx2, 6 * 16, fma_avx2},
    {"fma", Isa::avx512, 14 * 32, fma_avx512},
    {"quads", Isa::avx2, 4 * 16 * 4, quads_avx2},
    {"quads", Isa::avx512, 10 * 32 * 4, quads_avx512},
    {"quads", Isa::avxvnni, 6 * 16 * 4, quads_avxvnni},
    {"quads", Isa::avx512vnni, 14 * 32 * 4, quads_avx512vnni},
    {"tiles", Isa::amx, 32 * 32 * 64, tiles_amx<true>},
    {"bf16_pairs", Isa::avx512bf16, 14 * 32 * 2, bf16_pairs_avx512bf16},
    {"bf16_tiles", Isa::amx, 32 * 32 * 32, tiles_amx<false>},
    {"magnitudes", Isa::avx2, 4 * 16 * 8, magnitudes_avx2},
    {"magnitudes", Isa::avx512, 8 * 32 * 8, magnitudes_avx512},
    {"pairs", Isa::avx2, 4 * 16 * 2, pairs_avx2},
    {"pairs", Isa::avx512, 12 * 32 * 2, pairs_avx512},
    {"pairs", Isa::avxvnni, 6 * 16 * 2, pairs_avxvnni},
    {"pairs", Isa::avx512vnni, 14 * 32 * 2, pairs_avx512vnni},
    {"dw_fma", Isa::avx2, 2 * 9 * 8, dw_fma_avx2},
    {"dw_fma", Isa::avx512, 2 * 9 * 16, dw_fma_avx512},
    {"dw_pairs", Isa::avx2, 4 * 9 * 16, dw_pairs_avx2},
    {"dw_pairs", Isa::avx512, 4 * 9 * 32, dw_pairs_avx512},
    {"dw_quads", Isa::avxvnni, 2 * 9 * 32, dw_quads_avxvnni},
    {"dw_slide_32", Isa::avx512vnni, 2 * 9 * 32, dw_slide_32},
    {"dw_slide_64", Isa::avx512vnni, 2 * 9 * 64, dw_slide_64},
    {"quantize", Isa::avx2, 32, quantize_avx2},
    {"quantize", Isa::avx512, 64, quantize_avx512},
    {"dequantize", Isa::avx2, 32, dequantize_avx2},
    {"dequantize", Isa::avx512, 64, dequantize_avx512},
    {"add_bytes", Isa::avx2, 32, add_bytes_avx2},
    {"add_bytes", Isa::avx512, 64, add_bytes_avx512},
    {"look_up", Isa::avx2, 64, look_up_avx2},
    {"look_up", Isa::avx512, 64, look_up_avx512},
    {"nine_pixels", Isa::avx2, 32, nine_pixels_avx2},
    {"nine_pixels", Isa::avx512, 64, nine_pixels_avx512},
    {"gelu", Isa::avx2, 16, gelu_avx2},
    {"gelu", Isa::avx512, 48, gelu_avx512},
    {"softmax", Isa::avx2, 16, softmax_avx2},
    {"softmax", Isa::avx512, 48, softmax_avx512},
    {"layernorm", Isa::avx2, 32, layernorm_avx2},
    {"layernorm", Isa::avx512, 64, layernorm_avx512},
};

using Stream = void (*)(const std::byte*, std::byte*, int64_t) noexcept;
struct StreamForm {
  int loads, stores;
  Stream run[3];  // of 16, 32 and 64 bytes
};
template <int kLoads, int kStores>
constexpr StreamForm stream_form() noexcept {
  return {kLoads,
          kStores,
          {stream<16, kLoads, kStores>, stream<32, kLoads, kStores>, stream<64, kLoads, kStores>}};
}
constexpr StreamForm kStreams[] = {stream_form<1, 1>(), stream_form<2, 1>(), stream_form<4, 1>(),
                                   stream_form<9, 1>(), stream_form<1, 4>()};

}  // namespace

std::function<void()> make_mix(std::string_view form, Isa isa, double products) {
  for (const Mix& mix : kMixes) {
    if (mix.form != form || mix.isa != isa) continue;
    const auto steps = static_cast<int64_t>(std::ceil(products / mix.products));
    return [&mix, steps] {
      alignas(64) static std::byte lines[1024];
      mix.run(steps, lines);
    };
  }
  return nullptr;
}

std::function<void()> make_stream(Isa isa, int64_t in, int64_t out) {
  const int size = isa == Isa::portable ? 0 : isa == Isa::avx2 || isa == Isa::avxvnni ? 1 : 2;
  for (const StreamForm& form : kStreams) {
    if (in * form.stores != out * form.loads) continue;
    struct Arrays {
      Memory in, out;
    };
    auto arrays = std::make_shared<Arrays>(Arrays{Memory(in), Memory(out)});
    const int64_t steps = in / form.loads / (16 << size);
    return [=, run = form.run[size]] { run(arrays->in.data(), arrays->out.data(), steps); };
  }
  return nullptr;
}

}  // namespace tersor::bench_kernels

#include "calib/arrays.h"

#include <cstring>
#include <random>

#include "calib/test_support.h"

namespace tersor::calib {
namespace {

std::string npy(const std::string& header, const std::string& data, int version = 1) {
  std::string out = "\x93NUMPY";
  out += static_cast<char>(version);
  out += '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i)
    out += static_cast<char>(header.size() >> (8 * i));
  return out + header + data;
}

std::string header(const std::string& descr, const std::string& shape, bool fortran = false) {
  return "{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") +
         ", 'shape': " + shape + ", }\n";
}

Tensor read(const std::string& bytes) {
  Folder folder;
  return read_npy(folder.write("x.npy", bytes));
}

TEST(Npy, RoundTrips) {
  const Tensor cases[] = {Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, -0.5f}),
                          Tensor::of<double>({2}, {1, 2}),
                          Tensor::of<int8_t>({3}, {-1, 0, 1}),
                          Tensor::of<uint8_t>({1, 1, 2}, {255, 0}),
                          Tensor::of<int16_t>({1}, {-300}),
                          Tensor::of<uint16_t>({1}, {60000}),
                          Tensor::of<int32_t>({2, 0}, {}),
                          Tensor::of<uint32_t>({}, {7}),
                          Tensor::of<int64_t>({2}, {INT64_MIN, 5}),
                          Tensor::of<uint64_t>({1}, {UINT64_MAX}),
                          Tensor::of<bool>({2}, {true, false}),
                          Tensor::of<Half>({1}, {Half{0x3c00}})};
  Folder folder;
  NamedTensors all;
  for (const Tensor& t : cases) {
    write_npy(folder / "t.npy", t, true);
    EXPECT_TRUE(tensor::same(read_npy(folder / "t.npy"), t)) << tensor::name(t.dtype());
    EXPECT_EQ(npy_bytes(t).size() % 64, t.bytes() % 64);
    all.emplace_back("a/" + std::to_string(all.size()), t);
  }
  write_npz(folder / "all.npz", all, false);
  const NamedTensors back = read_npz(folder / "all.npz");
  ASSERT_EQ(back.size(), all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(back[i].first, all[i].first);
    EXPECT_TRUE(tensor::same(back[i].second, all[i].second));
  }
  expect_error("E40", "exists", [&] { write_npz(folder / "all.npz", all, false); });
  EXPECT_EQ(npz_bytes(all), slurp(folder / "all.npz"));
  write_npz(folder / "none.npz", {}, false);
  EXPECT_TRUE(read_npz(folder / "none.npz").empty());
}

TEST(Npy, WidensWhatNumpyLacks) {
  const Tensor b = Tensor::of<Bfloat16>({1}, {Bfloat16{0x3fc0}});
  EXPECT_TRUE(tensor::same(read(npy_bytes(b)), Tensor::of<float>({1}, {1.5f})));
  const Tensor four = tensor::cast(Tensor::of<int32_t>({3}, {-8, 7, 1}), DType::kInt4);
  EXPECT_TRUE(tensor::same(read(npy_bytes(four)), Tensor::of<int8_t>({3}, {-8, 7, 1})));
}

TEST(Npy, ReadsOtherOrders) {
  const std::string big("\0\1\0\2\0\3\0\4\0\5\0\6", 12);
  EXPECT_TRUE(tensor::same(read(npy(header(">i2", "(2, 3)"), big)),
                           Tensor::of<int16_t>({2, 3}, {1, 2, 3, 4, 5, 6})));
  EXPECT_TRUE(tensor::same(read(npy(header(">i2", "(2, 3)", true), big)),
                           Tensor::of<int16_t>({2, 3}, {1, 3, 5, 2, 4, 6})));
  EXPECT_TRUE(tensor::same(read(npy(header("|u1", "(2, 1, 2)", true), "abcd", 2)),
                           Tensor::of<uint8_t>({2, 1, 2}, {'a', 'c', 'b', 'd'})));
  EXPECT_TRUE(tensor::same(read(npy("{\"shape\":(2,),\"fortran_order\":False,\"descr\":\"|b1\"}",
                                    std::string("\7\0", 2), 3)),
                           Tensor::of<bool>({2}, {true, false})));
}

TEST(Npy, RefusesMalformedFiles) {
  const std::string good = header("<f4", "(2,)");
  const std::tuple<const char*, const char*, std::string> cases[] = {
      {"E03", "cut off", ""},
      {"E23", "does not start", "hello world, this is not it"},
      {"E03", "cut off", npy(good, "").substr(0, 20)},
      {"E03", "needs 8 bytes, 7 are there", npy(good, "1234567")},
      {"E23", "version 4", npy(good, "12345678", 4)},
      {"E23", "pickled", npy(header("|O", "(2,)"), "12345678")},
      {"E23", "records",
       npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "")},
      {"E23", "not supported", npy(header("<c8", "(1,)"), "12345678")},
      {"E23", "not supported", npy(header("<M8[s]", "(1,)"), "12345678")},
      {"E23", "lacks a key", npy("{'descr': '<f4', 'shape': (2,), }", "12345678")},
      {"E23", "repeated key", npy("{'descr': '<f4', 'descr': '<f8', 'shape': (2,), }", "12345678")},
      {"E23", "malformed",
       npy("{'descr': '<f4', 'fortran_order': 0, 'shape': (2,), }", "12345678")},
      {"E23", "malformed", npy("{'descr: '<f4'", "")},
      {"E23", "malformed", npy(header("<f4", "(-2,)"), "")},
      {"E23", "malformed", npy(header("<f4", "2"), "")},
      {"E60", "64 bits", npy(header("<f4", "(99999999999999999999,)"), "")},
      {"E60", "64 bits", npy(header("<f4", "(4294967296, 4294967296)"), "")},
      {"E60", "64 bits", npy(header("<f8", "(4611686018427387904,)"), "")},
      {"E03", "cut off", npy(header("<f4", "(1000000000000,)"), "1234")},
      {"E60", "dimensions",
       npy(header(
               "<f4", "(" +
                          [] {
                            std::string s;
                            for (int i = 0; i < 65; ++i) s += "1,";
                            return s;
                          }() +
                          ")"),
           "1234")},
      {"E60", "65536", npy(std::string(65537, ' '), "", 2)},
  };
  for (const auto& [code, part, bytes] : cases)
    expect_error(
        code, part, [&, b = bytes] { read(b); }, bytes.substr(0, 90));
  expect_error("E01", "no such file", [] { read_npy("/nowhere/x.npy"); });
  expect_error("E06", "regular file", [] { read_npy("/dev/null"); });
}

std::string patched(std::string bytes, size_t at, std::string_view part) {
  return bytes.replace(at, part.size(), part);
}

TEST(Npz, RefusesMalformedArchives) {
  const Tensor t = Tensor::of<float>({2}, {1, 2});
  const std::string good = npz_bytes({{"a", t}, {"b", t}});
  const size_t end = good.size() - 22;
  const size_t first = good.find("PK\1\2"), second = good.find("PK\1\2", first + 1);
  Folder folder;
  const std::tuple<const char*, const char*, std::string> cases[] = {
      {"E03", "cut off", good.substr(0, good.size() - 1)},
      {"E03", "cut off", ""},
      {"E03", "cut off", "PK"},
      {"E23", "directory", patched(good, end + 16, "\xff\xff\xff\x7f")},
      {"E23", "directory", patched(good, end + 12, "\xff\xff\xff\x7f")},
      {"E23", "malformed", patched(good, end + 10, "\x05")},
      {"E23", "malformed", patched(good, end + 10, std::string("\0\0", 2))},
      {"E23", "encrypted", patched(good, first + 8, "\x01")},
      {"E23", "method 12", patched(good, first + 10, "\x0c")},
      {"E23", "contradict", patched(good, first + 20, "\x01")},
      {"E23", "overlap",
       patched(patched(good, first + 20, "\xf0\xff\xff\x7f"), first + 24, "\xf0\xff\xff\x7f")},
      {"E23", "malformed", patched(good, first + 28, "\xff\xff")},
      {"E23", "no header", patched(good, first + 42, "\x01")},
      {"E23", "outside", patched(good, second + 42, "\xff\xff\xff\x7f")},
      {"E23", "checksum", patched(good, first + 16, "\x01\x02\x03\x04")},
      {"E23", "twice", patched(good, second + 46, "a")},
      {"E60", "200 times",
       patched(patched(good, first + 10, "\x08"), first + 24, "\xff\xff\xff\x7f")},
  };
  for (const auto& [code, part, bytes] : cases)
    expect_error(
        code, part, [&, b = bytes] { read_npz(folder.write("x.npz", b)); }, part);
  std::mt19937 rng(3);
  for (int i = 0; i < 500; ++i) {
    std::string bytes = good;
    for (int k = 0; k < 1 + i % 3; ++k) bytes[rng() % bytes.size()] = static_cast<char>(rng());
    if (i % 5 == 0) bytes.resize(rng() % bytes.size());
    try {
      read_npz(folder.write("x.npz", bytes));
    } catch (const Error&) {
    }
  }
}

TEST(Npz, ReadsDeflatedMembers) {
  // numpy.savez_compressed("x.npz", a=numpy.arange(6, dtype="<i4").reshape(2, 3), b=numpy.zeros(3))
  const auto path = std::filesystem::path(TERSOR_SOURCE_DIR) / "tests/data/deflated.npz";
  const NamedTensors all = read_npz(path);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].first, "a");
  EXPECT_TRUE(tensor::same(all[0].second, Tensor::of<int32_t>({2, 3}, {0, 1, 2, 3, 4, 5})));
  EXPECT_TRUE(tensor::same(all[1].second, Tensor::zeros(DType::kFloat64, {3})));
  const std::string good = slurp(path);
  Folder folder;
  std::mt19937 rng(3);
  for (int i = 0; i < 500; ++i) {
    std::string bytes = good;
    bytes[rng() % bytes.size()] = static_cast<char>(rng());
    try {
      read_npz(folder.write("x.npz", bytes));
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace tersor::calib

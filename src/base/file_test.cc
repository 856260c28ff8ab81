#include "base/file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "base/error.h"

namespace tersor::base {
namespace {

namespace fs = std::filesystem;

class File : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("tersor_file_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path make(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  size_t count() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {}));
  }
  fs::path folder_;
};

template <typename Body>
Error error_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return Error(ErrorKind::kInternal, "", "");
}

TEST_F(File, ReadsRegularFilesOnly) {
  EXPECT_EQ(read_file(make("a", "text"), 4), "text");
  EXPECT_EQ(error_of([&] { read_file(folder_ / "a", 3); }).kind(), ErrorKind::kLimit);
  EXPECT_EQ(error_of([&] { read_file(folder_, 100); }).code(), "E06");
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(error_of([&] { read_file(folder_ / "pipe", 100); }).code(), "E06");
  EXPECT_EQ(error_of([&] { read_file("/dev/zero", 100); }).code(), "E06");
}

TEST_F(File, OffersTheNearestName) {
  make("resnet18.onnx", "");
  const Error error = error_of([&] { read_file(folder_ / "resnet8.onnx", 1); });
  EXPECT_EQ(error.code(), "E01");
  EXPECT_EQ(error.help(), "did you mean 'resnet18.onnx' (same folder)?");
  EXPECT_EQ(error_of([&] { read_file(folder_ / "else", 1); }).help(), "");
}

TEST_F(File, ReadsInsideAFolder) {
  make("w.bin", "0123456789");
  const auto text = [](const FileBytes& b) {
    return std::string(reinterpret_cast<const char*>(b.data), b.size);
  };
  EXPECT_EQ(text(read_inside(folder_, "w.bin", 2, 3, "")), "234");
  EXPECT_EQ(text(read_inside(folder_, "./w.bin", 8, kToEnd, "")), "89");
  EXPECT_EQ(text(read_inside(folder_, "w.bin", 10, 0, "")), "");
  for (const auto& [offset, length] :
       {std::pair<uint64_t, uint64_t>{8, 3}, {11, 0}, {UINT64_MAX - 1, 4}, {4, UINT64_MAX - 2}})
    EXPECT_EQ(error_of([&] { read_inside(folder_, "w.bin", offset, length, "m"); }).code(), "E03");
  EXPECT_EQ(error_of([&] { read_inside(folder_, "gone", 0, 1, "m"); }).sentence(),
            "weights file 'gone' named by 'm' is missing");
}

TEST_F(File, MapsLargePartsAtAnyOffset) {
  std::string text(3 << 20, 'a');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 >> 3);
  make("w.bin", text);
  for (const uint64_t offset : {0u, 8u, 4096u, 5000u, 5001u}) {
    const FileBytes b = read_inside(folder_, "w.bin", offset, 2 << 20, "");
    ASSERT_EQ(b.size, 2u << 20);
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(b.data), b.size),
              std::string_view(text).substr(offset, b.size));
  }
}

TEST_F(File, NeverLeavesTheFolder) {
  make("w.bin", "x");
  fs::create_directories(folder_ / "in" / "sub");
  fs::create_symlink("../w.bin", folder_ / "in" / "link");
  fs::create_symlink("..", folder_ / "in" / "up");
  fs::create_hard_link(folder_ / "w.bin", folder_ / "in" / "hard");
  for (const char* path : {"../w.bin", "/etc/passwd", "link", "up/w.bin", "hard", "sub", "", "a\\b",
                           "sub/../../w.bin"})
    EXPECT_EQ(error_of([&] { read_inside(folder_ / "in", path, 0, 1, ""); }).code(), "E05") << path;
  EXPECT_EQ(error_of([&] { read_inside(folder_ / "in", std::string("a\0b", 3), 0, 1, ""); }).code(),
            "E05");
}

TEST_F(File, ReplacesWholeAndLeavesNothingBehind) {
  const fs::path path = folder_ / "out";
  write_file(path, "one", false);
  EXPECT_EQ(error_of([&] { write_file(path, "two", false); }).code(), "E40");
  EXPECT_EQ(read_file(path, 10), "one");
  write_file(path, "two", true);
  EXPECT_EQ(read_file(path, 10), "two");
  EXPECT_EQ(count(), 1u);
  {
    OutputFile given_up(path);
    given_up.write("three");
    EXPECT_EQ(count(), 2u);
  }
  EXPECT_EQ(count(), 1u);
  EXPECT_EQ(read_file(path, 10), "two");
}

TEST_F(File, RefusesImpossibleTargets) {
  EXPECT_EQ(error_of([&] { write_file(folder_ / "no" / "x", "", false); }).code(), "E41");
  EXPECT_EQ(error_of([&] { write_file(folder_, "", true); }).code(), "E41");
  EXPECT_EQ(error_of([&] { OutputFile f(folder_ / "no" / "x"); }).code(), "E41");
  for (const char* path : {"no/x", "."})
    EXPECT_EQ(error_of([&] { check_output(folder_ / path, true); }).kind(), ErrorKind::kOutput);
}

TEST_F(File, LongAndOddNames) {
  for (const std::string& name : {std::string(255, 'n'), std::string("a\nb \xff")}) {
    write_file(folder_ / name, "x", false);
    EXPECT_EQ(read_file(folder_ / name, 1), "x");
  }
}

TEST_F(File, OneOfManyWritersWins) {
  const fs::path path = folder_ / "out";
  std::atomic<int> won{0}, lost{0};
  std::vector<std::thread> writers;
  for (int i = 0; i < 8; ++i)
    writers.emplace_back([&, i] {
      try {
        write_file(path, std::string(100000, static_cast<char>('a' + i)), false);
        ++won;
      } catch (const Error& error) {
        lost += error.code() == "E40";
      }
    });
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(won, 1);
  EXPECT_EQ(lost, 7);
  const std::string text = read_file(path, 1 << 20);
  EXPECT_EQ(text, std::string(100000, text[0]));
  EXPECT_EQ(count(), 1u);
}

TEST_F(File, AFailedWriteLeavesTheOldFile) {
  const fs::path path = folder_ / "out";
  write_file(path, "old", false);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{1000, before.rlim_max};
  ::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &small);
  const Error error = error_of([&] { write_file(path, std::string(5000, 'n'), true); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(error.code(), "E42");
  EXPECT_EQ(read_file(path, 10), "old");
  EXPECT_EQ(count(), 1u);
}

TEST(Nearest, ByEditDistance) {
  const std::vector<std::string> names{"int8", "int4", "fp16"};
  EXPECT_EQ(nearest("int-8", names), "int8");
  EXPECT_EQ(nearest("zzzzz", names), "");
}

}  // namespace
}  // namespace tersor::base

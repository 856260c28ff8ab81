// Every limit on input, in one place. Each is named in the message that refuses it.
#pragma once

#include <cstdint>

namespace tersor::limits {

inline constexpr uint64_t kModelFileBytes = (uint64_t{1} << 31) - 1;  // protobuf's own limit
inline constexpr int64_t kOldestOpset = 7, kNewestOpset = 28;
inline constexpr int kGraphNesting = 32;
inline constexpr int kMessageNesting = 100;
inline constexpr uint64_t kMessageParts = uint64_t{1}
                                          << 26;  // messages, strings, lists in one file
inline constexpr int kRank = 64;
inline constexpr int64_t kNodeInputs = 65536;
inline constexpr int64_t kNodes = int64_t{1} << 22;
inline constexpr int kFunctionDepth = 100;
inline constexpr uint64_t kNameBytes = 4096;
inline constexpr uint64_t kStringAttributeBytes = 65536;
inline constexpr uint64_t kFoldingGrowthBytes = uint64_t{64} << 20;
inline constexpr uint64_t kMinMemoryBudget = uint64_t{1} << 30;
inline constexpr uint64_t kImagePixels = 100'000'000;
inline constexpr uint64_t kZipRatio = 200;  // for what unpacks to over kZipRatioFrom
inline constexpr uint64_t kZipRatioFrom = uint64_t{1} << 20;
inline constexpr uint64_t kZipEntries = 65536;
inline constexpr uint64_t kArrayHeaderBytes = 65536;  // of a .npy file
inline constexpr uint64_t kDataFileBytes = uint64_t{4}
                                           << 30;  // a data file that is read as a whole
inline constexpr uint64_t kTextFileBytes = uint64_t{256} << 20;
inline constexpr int64_t kDataItems = int64_t{1} << 31;
inline constexpr int kJpegScans = 500;
inline constexpr int kJsonDepth = 32;
inline constexpr uint64_t kJsonValues = uint64_t{1} << 24;
inline constexpr uint64_t kStatisticsFileBytes = uint64_t{256} << 20;

}  // namespace tersor::limits

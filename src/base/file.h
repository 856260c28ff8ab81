// Every touch of a file goes through here: regular files only, sizes checked, outputs atomic.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace tersor::base {

// The whole of a regular file ("-": standard input), at most `limit` bytes. Errors: E01 missing (with the nearest
// name in its folder), E06 unreadable or not a regular file, E60 over the limit.
std::string read_file(const std::filesystem::path& path, uint64_t limit);

// `length` bytes at `offset` of the file `relative` inside `folder`; the path may not leave the folder (E05), nor
// pass a symbolic link; a missing file is E04, a short one E03. length 0: to the end.
std::string read_inside(const std::filesystem::path& folder, const std::string& relative,
                        uint64_t offset, uint64_t length, bool to_end);

// Replaces or creates a file as a whole: temporary name beside it, write, fsync, rename, fsync of the folder. Nothing is
// left behind if it fails. Without `force` an existing file is E40.
void write_file(const std::filesystem::path& path, std::string_view bytes, bool force);
// E40 / E41 before any work is done: the output exists, or its folder does not.
void check_output(const std::filesystem::path& path, bool force);

// Of `names`, the one closest to `wish` by edit distance, if it is close; empty otherwise.
std::string nearest(std::string_view wish, std::span<const std::string> names);

}  // namespace tersor::base

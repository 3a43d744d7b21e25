// What a Git server sends for a shallow clone, and its files: pkt-lines, packs and trees.
// https://git-scm.com/docs/protocol-v2, https://git-scm.com/docs/pack-format
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "storage/archive.h"
#include "storage/path.h"

namespace kinglet::storage {

// One line of the protocol with its length before it. The payload is at most 65,516 bytes.
std::string PktLine(std::string_view payload);
inline constexpr std::string_view kPktFlush = "0000", kPktDelimiter = "0001";

// Takes the next line off `text`: its payload; "" for flush, delimiter and end marks, which `*mark`
// tells apart (-1 for a line with a payload). kUnavailable when the text ends inside a line.
Result<std::string_view> TakePktLine(std::string_view& text, int* mark);

// Reads the answer to a fetch command from the file `answer`, whose pack goes to the empty file
// `pack`.
Status DemultiplexPack(int answer, int pack);

// Writes the files of `commit` (40 hexadecimal digits) into the folder, from a pack that has all of
// its trees and files. Submodules are left out. Every object is found by the digest of what it is.
Result<std::vector<StagedFile>> CheckOut(int pack, std::string_view commit, int folder,
                                         const ArchiveLimits& limits, std::stop_token stop);

}  // namespace kinglet::storage

// A hash for tables whose keys are foreign: names and numbers out of a model file or a request.
// std::hash is a fixed function, so an author can choose keys that collide, and a table of n such
// keys costs n * n steps. This one is keyed with a secret of the process.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace kinglet {

// Random, the same for the lifetime of the process.
uint64_t HashSecret();

// Both halves of the 128-bit product, folded.
inline uint64_t FoldedProduct(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{a} * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// Adds one word to a running hash that began with HashSecret().
inline uint64_t HashWord(uint64_t hash, uint64_t word, uint64_t secret) {
  return FoldedProduct(word ^ secret, hash ^ 0x9e37'79b9'7f4a'7c15);
}

// After the last word: spreads it over all bits.
inline uint64_t FinishHash(uint64_t hash, uint64_t secret) {
  return FoldedProduct(hash ^ secret, 0xd6e8'feb8'6659'fd93);
}

struct SeededHash {
  using is_transparent = void;

  size_t operator()(std::string_view text) const {
    uint64_t hash = secret ^ text.size();
    const char* at = text.data();
    size_t left = text.size();
    for (; left >= 8; left -= 8, at += 8) {
      uint64_t word;
      std::memcpy(&word, at, 8);
      hash = HashWord(hash, word, secret);
    }
    uint64_t word = 0;
    if (left > 0) std::memcpy(&word, at, left);
    return FinishHash(HashWord(hash, word, secret), secret);
  }
  // 0.0 and -0.0 are equal, so they hash alike.
  size_t operator()(double number) const {
    const auto word = std::bit_cast<uint64_t>(number == 0 ? 0.0 : number);
    return FinishHash(HashWord(secret, word, secret), secret);
  }

  uint64_t secret = HashSecret();
};

}  // namespace kinglet

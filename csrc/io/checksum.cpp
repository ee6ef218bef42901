// Four lanes of multiply and rotate, 8 bytes a step each, folded at the end: the shape of xxHash64.
// A step is a bijection of its lane, so that two inputs that differ in one word never agree there.
#include "checksum.h"

#include <cstring>

namespace sottovoce {
namespace {

constexpr std::uint64_t kOdd1 = 0x9E3779B185EBCA87u;
constexpr std::uint64_t kOdd2 = 0xC2B2AE3D27D4EB4Fu;
constexpr std::uint64_t kOdd3 = 0x165667B19E3779F9u;

std::uint64_t rotate(std::uint64_t x, int by) { return x << by | x >> (64 - by); }

std::uint64_t read(const unsigned char* p) {
  std::uint64_t word;
  std::memcpy(&word, p, sizeof(word));
  return word;
}

std::uint64_t step(std::uint64_t lane, std::uint64_t word) {
  return rotate(lane + word * kOdd2, 31) * kOdd1;
}

std::uint64_t scatter(std::uint64_t x) {
  x = (x ^ x >> 33) * kOdd2;
  x = (x ^ x >> 29) * kOdd3;
  return x ^ x >> 32;
}

}  // namespace

std::uint64_t checksum(const void* data, std::size_t n, std::uint64_t seed) {
  const auto* p = static_cast<const unsigned char*>(data);
  std::size_t left = n;
  std::uint64_t a = seed + kOdd1;
  std::uint64_t b = seed + kOdd2;
  std::uint64_t c = seed;
  std::uint64_t d = seed - kOdd1;
  for (; left >= 32; left -= 32, p += 32) {
    a = step(a, read(p));
    b = step(b, read(p + 8));
    c = step(c, read(p + 16));
    d = step(d, read(p + 24));
  }
  std::uint64_t sum = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18) + n;
  for (; left > 0; --left, ++p) sum = rotate(sum ^ *p * kOdd3, 11) * kOdd1;
  return scatter(sum);
}

}  // namespace sottovoce

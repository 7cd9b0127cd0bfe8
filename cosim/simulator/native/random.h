// Random numbers of the hostile environment.

#ifndef SYSTOLAB_RANDOM_H_
#define SYSTOLAB_RANDOM_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

// xorshift64*: random enough for stalls, and the same everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ULL + 0x2545f4914f6cdd1dULL) {
    if (state_ == 0) state_ = 1;
  }
  uint32_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<uint32_t>((state_ * 0x2545f4914f6cdd1dULL) >> 32);
  }
  bool coin() {
    if (bits_ == 0) {
      word_ = next();
      bits_ = 32;
    }
    const bool result = word_ & 1;
    word_ >>= 1;
    --bits_;
    return result;
  }
  // Fills the lowest `bits` bits of a port; Verilator wants zeros above.
  template <class Port>
  void fill(Port& port, size_t bits) {
    uint8_t bytes[sizeof(Port)] = {};
    for (size_t i = 0; i < (bits + 7) / 8; ++i) bytes[i] = next() & 0xff;
    if (bits % 8) bytes[bits / 8] &= (1 << (bits % 8)) - 1;
    std::memcpy(&port, bytes, sizeof(Port));
  }

 private:
  uint64_t state_;
  uint32_t word_ = 0;
  int bits_ = 0;
};

#endif  // SYSTOLAB_RANDOM_H_

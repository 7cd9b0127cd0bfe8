// The memories behind the ports: flat arrays, read by lines, and the requests that wait for them.
//
// LINE, the codes of a line, comes from the command line.

#ifndef SYSTOLAB_MEMORY_H_
#define SYSTOLAB_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "random.h"

template <int Bits>
struct CodeOf {
  using Type = uint8_t;
};
template <>
struct CodeOf<16> {
  using Type = uint16_t;
};
template <int Bits>
using Code = typename CodeOf<(Bits > 8 ? 16 : 8)>::Type;

// Codes of `Bits` bits in a line are packed without gaps, the first in the lowest bits.
template <int Bits>
class Lines {
 public:
  Lines(const void* mem, uint64_t size)
      : codes_(static_cast<const Code<Bits>*>(mem)), size_(size) {
    if (Bits == 8 || Bits == 16) return;
    packed_.assign(((size + LINE - 1) / LINE) * kBytes + 8, 0);
    for (uint64_t i = 0; i < size; ++i) {
      const uint64_t bit = (i % LINE) * Bits;
      const uint64_t byte = (i / LINE) * kBytes + bit / 8;
      const uint32_t value = static_cast<uint32_t>(codes_[i]) << (bit % 8);
      packed_[byte] |= value & 0xff;
      packed_[byte + 1] |= (value >> 8) & 0xff;
      packed_[byte + 2] |= value >> 16;
    }
  }
  bool inside(uint64_t line) const { return line * LINE < size_; }
  bool last(uint64_t line) const { return (line + 1) * LINE >= size_; }
  template <class Port>
  void read(uint64_t line, Port& port) const {
    static_assert(sizeof(Port) >= kBytes, "a line fits its port");
    if (Bits != 8 && Bits != 16) {
      std::memcpy(&port, &packed_[line * kBytes], kBytes);
    } else if ((line + 1) * LINE <= size_) {
      std::memcpy(&port, codes_ + line * LINE, kBytes);
    } else {
      std::memset(&port, 0, sizeof(Port));
      std::memcpy(&port, codes_ + line * LINE, (size_ - line * LINE) * sizeof(Code<Bits>));
    }
  }

 private:
  static constexpr size_t kBytes = (LINE * Bits + 7) / 8;
  const Code<Bits>* codes_;
  uint64_t size_;
  std::vector<uint8_t> packed_;
};

// One read port of the memory: requests wait in order for their responses.
class ReadPort {
 public:
  explicit ReadPort(Random* random) : random_(random) {}
  bool ready() { return ready_ = !random_ || (count_ < kDepth && random_->coin()); }
  bool offer() {
    if (count_ == 0) return offered_ = false;
    if (!offered_ && random_) offered_ = random_->coin();
    else offered_ = true;
    return offered_;
  }
  uint64_t front() const { return waiting_[head_]; }
  void clock(bool request, bool taken, uint64_t address) {
    if (offered_ && taken) {
      head_ = (head_ + 1) % kDepth;
      --count_;
      offered_ = false;
    }
    if (ready_ && request) {
      waiting_[(head_ + count_) % kDepth] = address;
      ++count_;
      ++accepted_;
    }
  }
  uint64_t accepted() const { return accepted_; }

 private:
  static constexpr unsigned kDepth = 4;
  Random* random_;
  uint64_t waiting_[kDepth] = {};
  uint64_t accepted_ = 0;
  unsigned head_ = 0;
  unsigned count_ = 0;
  bool ready_ = false;
  bool offered_ = false;
};

// The bits of a number; what lies beyond the memory reads zero.
inline uint32_t word_at(const float* memory, uint64_t size, uint64_t index) {
  uint32_t word = 0;
  if (index < size) std::memcpy(&word, &memory[index], 4);
  return word;
}

#endif  // SYSTOLAB_MEMORY_H_

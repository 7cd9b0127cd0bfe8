// What a run reaches: points that the sampler in the core names (cosim/coverage/points.py), and the last
// word of every memory, which only the driver knows. Lines and toggles are counted by Verilator.

#ifndef SYSTOLAB_COVERAGE_H_
#define SYSTOLAB_COVERAGE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#ifdef SYSTOLAB_COVERAGE

#include "verilated.h"
#include "verilated_cov.h"

static std::vector<std::vector<uint64_t>> covered_points;

extern "C" void systolab_cover(int group, int number) {
  if (group < 0 || number < 0) return;
  if (covered_points.size() <= static_cast<size_t>(group)) covered_points.resize(group + 1);
  auto& counts = covered_points[group];
  if (counts.size() <= static_cast<size_t>(number)) counts.resize(number + 1);
  ++counts[number];
}

// Copies how often each of the first `size` points of a group was reached.
extern "C" void systolab_covered(int group, uint64_t size, uint64_t* counts) {
  std::memset(counts, 0, size * sizeof(*counts));
  if (static_cast<size_t>(group) >= covered_points.size()) return;
  const auto& known = covered_points[group];
  std::memcpy(counts, known.data(), (known.size() < size ? known.size() : size) * sizeof(*counts));
}

// The last word of the memory behind a port is reached.
inline void cover_end(int port, bool reached) {
  if (reached) systolab_cover(0, port);
}

#else

inline void cover_end(int, bool) {}

#endif  // SYSTOLAB_COVERAGE

#endif  // SYSTOLAB_COVERAGE_H_

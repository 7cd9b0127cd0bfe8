// What the batch driver is asked and what it answers. Shared with cosim/simulator/model.py, field by field.

#ifndef SYSTOLAB_JOB_H_
#define SYSTOLAB_JOB_H_

#include <cstdint>

enum Fault : int32_t { kNone = 0, kAddressA = 1, kAddressW = 2, kAddressO = 3, kHang = 4 };

// What the core must not do, whatever it computes.
enum Violation : int32_t {
  kObeyed = 0,
  kIdleRequest = 1,  // a request while no kernel runs
  kUnstable = 2,     // a request withdrawn or changed before it was accepted
  kStallCount = 3,   // a cycle counted as stalled that no port delayed, or the other way round
  kNotDone = 4,      // done did not rise with the last write, or fell without a start
  kAgain = 5,        // the kernel started again in the cycle in which it is done did something else
};

struct SystolabJob {
  const uint32_t* descriptor;  // (address, word) pairs
  uint64_t descriptor_words;   // number of pairs
  const void* a_mem;
  uint64_t a_size;  // codes
  const void* w_mem;
  uint64_t w_size;
  const float* scale;
  const float* bias;
  uint64_t p_size;
  void* o_mem;
  uint64_t o_size;
  int32_t stall;  // nonzero: random stalls
  int32_t fault;  // out
  uint64_t stall_seed;
  uint64_t busy;           // core cycles that the kernel certainly takes
  uint64_t cycles;         // out: core cycles
  uint64_t stalls;         // out: stalled cycles
  uint64_t fault_address;  // out: line
  uint64_t fault_cycle;    // out: clock cycles since start
  const char* trace_path;  // VCD of the clock cycles [trace_from, trace_to), or null
  uint64_t trace_from;
  uint64_t trace_to;
  uint64_t max_cycles;  // clock cycles after which a kernel counts as hung; 0: no limit
  const float* a_scale;  // of block-scaled arrays
  uint64_t a_scale_size;
  const float* w_scale;
  uint64_t w_scale_size;
  uint64_t transfers[6];     // out: of ports A, W, P, O, SA, SW
  int32_t violation;         // out: the first one
  int32_t trace_error;       // out: errno of what the VCD could not be opened or written for
  uint64_t violation_cycle;  // out: clock cycles since start
};

#endif  // SYSTOLAB_JOB_H_

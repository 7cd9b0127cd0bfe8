// What the core owes its environment (docs/machine.md, "The contract of the ports").

#ifndef SYSTOLAB_MONITOR_H_
#define SYSTOLAB_MONITOR_H_

#include <cstdint>
#include <cstring>

#include "Vsystolab_top.h"
#include "job.h"

// Whether the array has the scale ports SA and SW.
#ifndef BLOCK_SCALED
#define BLOCK_SCALED 0
#endif

using Top = Vsystolab_top;

// Watches what the core owes its ports: a request stands, unchanged, until it is accepted; a cycle is
// stalled if and only if some port makes the core wait; done rises with the last write.
class Monitor {
 public:
  explicit Monitor(const Top& top) : cycles_(top.cycles_o), stalls_(top.stalls_o) {}

  // The inputs of this clock cycle are set.
  void before(const Top& top) {
    waits_ = false;
    read(0, top.a_req_valid_o, top.a_req_ready_i, top.a_req_line_o, top.a_rsp_ready_o, top.a_rsp_valid_i);
    read(1, top.w_req_valid_o, top.w_req_ready_i, top.w_req_line_o, top.w_rsp_ready_o, top.w_rsp_valid_i);
    read(2, top.p_req_valid_o, top.p_req_ready_i, top.p_req_index_o, top.p_rsp_ready_o, top.p_rsp_valid_i);
#if BLOCK_SCALED
    read(3, top.sa_req_valid_o, top.sa_req_ready_i, top.sa_req_index_o, top.sa_rsp_ready_o, top.sa_rsp_valid_i);
    read(4, top.sw_req_valid_o, top.sw_req_ready_i, top.sw_req_index_o, top.sw_rsp_ready_o, top.sw_rsp_valid_i);
#endif
    read(5, top.o_req_valid_o, top.o_req_ready_i, top.o_req_line_o, false, true);
    if (pending_[5]) {
      std::memcpy(data_, &top.o_req_data_o, sizeof(data_));
      mask_ = top.o_req_mask_o;
    }
  }

  // The clock edge is past.
  Violation after(const Top& top) {
    if (changed(0, top.a_req_valid_o, top.a_req_line_o) || changed(1, top.w_req_valid_o, top.w_req_line_o) ||
        changed(2, top.p_req_valid_o, top.p_req_index_o) || changed(5, top.o_req_valid_o, top.o_req_line_o)) {
      return kUnstable;
    }
#if BLOCK_SCALED
    if (changed(3, top.sa_req_valid_o, top.sa_req_index_o) || changed(4, top.sw_req_valid_o, top.sw_req_index_o)) {
      return kUnstable;
    }
#endif
    if (pending_[5] && (mask_ != top.o_req_mask_o || std::memcmp(data_, &top.o_req_data_o, sizeof(data_)))) {
      return kUnstable;
    }
    const uint64_t cycles = top.cycles_o - cycles_;
    const uint64_t stalls = top.stalls_o - stalls_;
    cycles_ = top.cycles_o;
    stalls_ = top.stalls_o;
    if (cycles == 0 && stalls == 0) {
      finished_ = true;
    } else if (finished_ || cycles != !waits_ || stalls != waits_) {
      return kStallCount;
    }
    return finished_ && top.done_o == top.o_req_valid_o ? kNotDone : kObeyed;
  }

 private:
  void read(int port, bool request, bool ready, uint64_t address, bool wants, bool response) {
    pending_[port] = request && !ready;
    address_[port] = address;
    waits_ = waits_ || pending_[port] || (wants && !response);
  }
  bool changed(int port, bool request, uint64_t address) const {
    return pending_[port] && (!request || address != address_[port]);
  }

  uint64_t cycles_;
  uint64_t stalls_;
  bool waits_ = false;
  bool finished_ = false;
  bool pending_[6] = {};
  uint64_t address_[6] = {};
  uint8_t data_[sizeof(Top::o_req_data_o)] = {};
  uint64_t mask_ = 0;
};

#endif  // SYSTOLAB_MONITOR_H_

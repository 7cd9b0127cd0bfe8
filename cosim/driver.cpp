// Batch driver of a Verilated array: runs a whole kernel in one call.
//
// The memories behind the ports are flat arrays of codes. With stalls, every ready and every response
// is delayed at random, from a seed, and everything else that a hostile environment may do is done: a
// reset in mid-kernel, a start pulse while busy, garbage on the data of a port without a response.
// What the core owes its environment in return is watched (class Monitor). Compiled once for each
// array; the code widths and the codes of a line come from the command line.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

#include "Vsystolab_top.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

#ifdef SYSTOLAB_MUTANTS
// Which fault of a mutant schema is active in models made from now on (cosim/mutate_source.py).
static int selected_mutant = 0;
extern "C" int systolab_selected_mutant() { return selected_mutant; }
extern "C" void systolab_select_mutant(int number) { selected_mutant = number; }
#endif

namespace {

using Top = Vsystolab_top;

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

// Whether the array has the scale ports SA and SW.
#ifndef BLOCK_SCALED
#define BLOCK_SCALED 0
#endif

enum Fault : int32_t { kNone = 0, kAddressA = 1, kAddressW = 2, kAddressO = 3, kHang = 4, kTrace = 5 };

// What the core must not do, whatever it computes.
enum Violation : int32_t {
  kObeyed = 0,
  kIdleRequest = 1,  // a request while no kernel runs
  kUnstable = 2,     // a request withdrawn or changed before it was accepted
  kStallCount = 3,   // a cycle counted as stalled that no port delayed, or the other way round
  kNotDone = 4,      // done did not rise with the last write, or fell without a start
};

constexpr uint64_t kHangCycles = 10'000'000;  // without any port activity
constexpr int kAttempts = 4;                  // times a kernel is ended by a reset
constexpr uint64_t kShortestAttempt = 16;     // clock cycles before it, at most this times
constexpr uint32_t kAttemptSizes = 6;         // a power of two up to 2^5
constexpr uint64_t kCertainlyBusy = 8;        // core cycles; no kernel is that short

}  // namespace

// Shared with cosim/model.py, field by field.
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
  int32_t unused;
  uint64_t violation_cycle;  // out: clock cycles since start
};

namespace {

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
uint32_t word_at(const float* memory, uint64_t size, uint64_t index) {
  uint32_t word = 0;
  if (index < size) std::memcpy(&word, &memory[index], 4);
  return word;
}

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

class Driver {
 public:
  Driver(int random_reset, uint64_t seed)
      : context_(new VerilatedContext), own_(true), top_(nullptr) {
    context_->randReset(random_reset ? 2 : 0);
    context_->randSeed(static_cast<int>(seed));
#if VM_TRACE
    context_->traceEverOn(true);
#endif
    top_ = new Top(context_.get());
    reset();
  }
  explicit Driver(Top* top) : own_(false), top_(top) { reset(); }
  ~Driver() {
    if (!own_) return;
    // A model's scopes are taken out of the *thread's* context, which may be another instance's.
    Verilated::threadContextp(context_.get());
    top_->final();
    delete top_;
    Verilated::threadContextp(Verilated::defaultContextp());  // this one's is about to go
  }
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  void reset() {
    idle();
    top_->clk_i = 0;
    top_->rst_ni = 1;
    top_->eval();
    top_->rst_ni = 0;
    for (int i = 0; i < 2; ++i) tick();
    top_->rst_ni = 1;
    tick();
  }

  int32_t run(SystolabJob* job);

 private:
  void idle() {
    top_->cfg_valid_i = 0;
    top_->start_i = 0;
    top_->a_req_ready_i = 0;
    top_->w_req_ready_i = 0;
    top_->p_req_ready_i = 0;
    top_->o_req_ready_i = 0;
    top_->a_rsp_valid_i = 0;
    top_->w_rsp_valid_i = 0;
    top_->p_rsp_valid_i = 0;
#if BLOCK_SCALED
    top_->sa_req_ready_i = 0;
    top_->sw_req_ready_i = 0;
    top_->sa_rsp_valid_i = 0;
    top_->sw_rsp_valid_i = 0;
#endif
  }
  // Cycle t of a waveform: at 10 t all signals as the registers will see them, the rising edge at
  // 10 t + 5.
  void tick() {
#if VM_TRACE
    const bool dump = trace_ && tracing_ && time_ >= from_ && time_ < to_;
    if (dump) {
      top_->eval();
      trace_->dump(10 * time_);
    }
#endif
    top_->clk_i = 1;
    top_->eval();
#if VM_TRACE
    if (dump) trace_->dump(10 * time_ + 5);
    ++time_;
#endif
    top_->clk_i = 0;
    top_->eval();
  }
  int32_t fail(SystolabJob* job, Fault fault, uint64_t address, uint64_t cycle) {
    job->fault = fault;
    job->fault_address = address;
    job->fault_cycle = cycle;
    return fault;
  }
  void violate(SystolabJob* job, Violation violation, uint64_t cycle) {
    if (job->violation != kObeyed) return;
    job->violation = violation;
    job->violation_cycle = cycle;
  }
  bool requests() const;
  int32_t simulate(SystolabJob* job);
  int32_t attempt(SystolabJob* job, Random* random, uint64_t clocks);

  std::unique_ptr<VerilatedContext> context_;
  bool own_;
  Top* top_;
#if VM_TRACE
  std::unique_ptr<VerilatedVcdC> trace_;
  bool tracing_ = false;
  uint64_t time_ = 0;
  uint64_t from_ = 0;
  uint64_t to_ = 0;
#endif
};

int32_t Driver::run(SystolabJob* job) {
#if VM_TRACE
  if (job->trace_path) {
    trace_.reset(new VerilatedVcdC);
    top_->trace(trace_.get(), 99);
    trace_->open(job->trace_path);
    if (!trace_->isOpen()) {
      trace_.reset();
      return fail(job, kTrace, 0, 0);
    }
    from_ = job->trace_from;
    to_ = job->trace_to;
  }
#endif
  const int32_t result = simulate(job);
#if VM_TRACE
  tracing_ = false;
#endif
  if (result != kNone) reset();  // the core may be anywhere in the kernel
#if VM_TRACE
  if (trace_) {
    trace_->close();
    trace_.reset();
  }
#endif
  return result;
}

bool Driver::requests() const {
  bool any = top_->a_req_valid_o || top_->w_req_valid_o || top_->p_req_valid_o || top_->o_req_valid_o;
#if BLOCK_SCALED
  any = any || top_->sa_req_valid_o || top_->sw_req_valid_o;
#endif
  return any;
}

int32_t Driver::simulate(SystolabJob* job) {
  job->fault = kNone;
  job->violation = kObeyed;
  idle();
  top_->cfg_valid_i = 1;
  for (uint64_t i = 0; i < job->descriptor_words; ++i) {
    top_->cfg_addr_i = job->descriptor[2 * i];
    top_->cfg_data_i = job->descriptor[2 * i + 1];
    tick();
    if (requests()) violate(job, kIdleRequest, 0);
  }
  top_->cfg_valid_i = 0;

  Random generator(job->stall_seed);
  if (!job->stall) return attempt(job, nullptr, 0);
  // A reset at any time must leave nothing behind: what follows starts at once, as configured before.
  for (int i = 0; i < kAttempts; ++i) {
    const uint64_t longest = kShortestAttempt << generator.next() % kAttemptSizes;
    const int32_t fault = attempt(job, &generator, 1 + generator.next() % longest);
    if (fault != kNone) return fault;
    idle();
    top_->rst_ni = 0;
    tick();
    top_->rst_ni = 1;
    top_->eval();
    if (requests()) violate(job, kIdleRequest, 0);
    if (top_->done_o) violate(job, kNotDone, 0);
  }
  return attempt(job, &generator, 0);
}

// Runs the configured kernel, or its first `clocks` clock cycles without writing anything.
int32_t Driver::attempt(SystolabJob* job, Random* random, uint64_t clocks) {
  const Lines<ACT_BITS> a_lines(job->a_mem, job->a_size);
  const Lines<WEIGHT_BITS> w_lines(job->w_mem, job->w_size);
  auto* const out = static_cast<Code<OUT_BITS>*>(job->o_mem);
  ReadPort a(random);
  ReadPort w(random);
  ReadPort p(random);
  top_->a_req_ready_i = top_->w_req_ready_i = top_->p_req_ready_i = top_->o_req_ready_i = 1;
#if BLOCK_SCALED
  ReadPort sa(random);
  ReadPort sw(random);
  top_->sa_req_ready_i = top_->sw_req_ready_i = 1;
#endif

#if VM_TRACE
  time_ = 0;
  tracing_ = clocks == 0;
#endif
  top_->start_i = 1;
  tick();
  top_->start_i = 0;

  uint64_t lines_written = 0;
  Monitor monitor(*top_);
  uint64_t quiet = 0;
  for (uint64_t cycle = 1; !top_->done_o; ++cycle) {
    if (clocks && cycle > clocks) return kNone;
    const bool a_request = top_->a_req_valid_o;
    const bool w_request = top_->w_req_valid_o;
    const bool p_request = top_->p_req_valid_o;
    const bool o_request = top_->o_req_valid_o;
    const uint64_t a_line = top_->a_req_line_o;
    const uint64_t w_line = top_->w_req_line_o;
    const uint64_t p_index = top_->p_req_index_o;
    const bool a_taken = top_->a_rsp_ready_o;
    const bool w_taken = top_->w_rsp_ready_o;
    const bool p_taken = top_->p_rsp_ready_o;
    if (a_request && !a_lines.inside(a_line)) return fail(job, kAddressA, a_line, cycle);
    if (w_request && !w_lines.inside(w_line)) return fail(job, kAddressW, w_line, cycle);

    if (random) {
      top_->a_req_ready_i = a.ready();
      top_->w_req_ready_i = w.ready();
      top_->p_req_ready_i = p.ready();
      top_->o_req_ready_i = random->coin();
      // Certainly busy: a start pulse must change nothing.
      top_->start_i = top_->cycles_o < kCertainlyBusy && random->coin();
    } else {
      a.ready();
      w.ready();
      p.ready();
    }
    if ((top_->a_rsp_valid_i = a.offer())) a_lines.read(a.front(), top_->a_rsp_data_i);
    else if (random) random->fill(top_->a_rsp_data_i, LINE * ACT_BITS);
    if ((top_->w_rsp_valid_i = w.offer())) w_lines.read(w.front(), top_->w_rsp_data_i);
    else if (random) random->fill(top_->w_rsp_data_i, LINE * WEIGHT_BITS);
    if ((top_->p_rsp_valid_i = p.offer())) {
      const uint64_t bias = word_at(job->bias, job->p_size, p.front());
      top_->p_rsp_data_i = bias << 32 | word_at(job->scale, job->p_size, p.front());
    } else if (random) {
      random->fill(top_->p_rsp_data_i, 64);
    }
#if BLOCK_SCALED
    const bool sa_request = top_->sa_req_valid_o;
    const bool sw_request = top_->sw_req_valid_o;
    const uint64_t sa_index = top_->sa_req_index_o;
    const uint64_t sw_index = top_->sw_req_index_o;
    const bool sa_taken = top_->sa_rsp_ready_o;
    const bool sw_taken = top_->sw_rsp_ready_o;
    const bool sa_ready = sa.ready();
    const bool sw_ready = sw.ready();
    top_->sa_req_ready_i = sa_ready;
    top_->sw_req_ready_i = sw_ready;
    if ((top_->sa_rsp_valid_i = sa.offer())) {
      top_->sa_rsp_data_i = word_at(job->a_scale, job->a_scale_size, sa.front());
    } else if (random) {
      random->fill(top_->sa_rsp_data_i, 32);
    }
    if ((top_->sw_rsp_valid_i = sw.offer())) {
      top_->sw_rsp_data_i = word_at(job->w_scale, job->w_scale_size, sw.front());
    } else if (random) {
      random->fill(top_->sw_rsp_data_i, 32);
    }
#endif
    if (o_request && top_->o_req_ready_i) {
      ++lines_written;
      const uint64_t base = static_cast<uint64_t>(top_->o_req_line_o) * LINE;
      uint64_t mask = top_->o_req_mask_o;
      uint8_t data[sizeof(top_->o_req_data_o) + 8] = {};
      std::memcpy(data, &top_->o_req_data_o, sizeof(top_->o_req_data_o));
      while (mask) {
        const uint64_t lane = __builtin_ctzll(mask);
        mask &= mask - 1;
        if (base + lane >= job->o_size) return fail(job, kAddressO, top_->o_req_line_o, cycle);
        uint32_t word;
        std::memcpy(&word, &data[lane * OUT_BITS / 8], 4);
        if (clocks) continue;
        out[base + lane] = (word >> (lane * OUT_BITS % 8)) & ((1u << OUT_BITS) - 1);
      }
    }

    if (random) monitor.before(*top_);
    tick();
    if (random) {
      const Violation found = monitor.after(*top_);
      if (found != kObeyed) violate(job, found, cycle);
    }

    a.clock(a_request, a_taken, a_line);
    w.clock(w_request, w_taken, w_line);
    p.clock(p_request, p_taken, p_index);
#if BLOCK_SCALED
    sa.clock(sa_request, sa_taken, sa_index);
    sw.clock(sw_request, sw_taken, sw_index);
#endif
    quiet = (a_request || w_request || p_request || o_request) ? 0 : quiet + 1;
    if (quiet > kHangCycles || (job->max_cycles && cycle > job->max_cycles)) return fail(job, kHang, 0, cycle);
  }
  job->cycles = top_->cycles_o;
  job->stalls = top_->stalls_o;
  job->transfers[0] = a.accepted();
  job->transfers[1] = w.accepted();
  job->transfers[2] = p.accepted();
  job->transfers[3] = lines_written;
#if BLOCK_SCALED
  job->transfers[4] = sa.accepted();
  job->transfers[5] = sw.accepted();
#else
  job->transfers[4] = job->transfers[5] = 0;
#endif
  if (!random && job->stalls != 0) violate(job, kStallCount, job->cycles);
  // Nothing moves any more.
  idle();
  tick();
  if (requests()) violate(job, kIdleRequest, job->cycles + job->stalls);
  if (!top_->done_o) violate(job, kNotDone, job->cycles + job->stalls);
  if (top_->cycles_o != job->cycles || top_->stalls_o != job->stalls) {
    violate(job, kStallCount, job->cycles + job->stalls);
  }
  return kNone;
}

}  // namespace

extern "C" {

void* systolab_new(int random_reset, uint64_t seed) { return new Driver(random_reset, seed); }

// Drives a model that someone else made, for instance PyVerilator.
void* systolab_attach(void* top) { return new Driver(static_cast<Top*>(top)); }

void systolab_delete(void* driver) { delete static_cast<Driver*>(driver); }

int32_t systolab_run(void* driver, SystolabJob* job) {
  return static_cast<Driver*>(driver)->run(job);
}

}  // extern "C"

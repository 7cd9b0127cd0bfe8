// Batch driver of a Verilated array: runs a whole kernel in one call.
//
// The memories behind the ports are flat arrays of codes. With stalls, every ready and every response
// is delayed at random, from a seed, and everything else that a hostile environment may do is done: a
// reset in mid-kernel, start pulses while busy and with done, garbage on the data of a port without a
// response.
// What the core owes its environment in return is watched (monitor.h). Compiled once for each
// array; the code widths and the codes of a line come from the command line.

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "Vsystolab_top.h"
#include "coverage.h"
#include "job.h"
#include "memory.h"
#include "monitor.h"
#include "mutants.h"
#include "random.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

namespace {

constexpr uint64_t kHangCycles = 10'000'000;  // without any port activity
constexpr int kAttempts = 4;                  // times a kernel is ended by a reset
constexpr uint64_t kShortestAttempt = 16;     // clock cycles before it, at most this times
constexpr uint32_t kAttemptSizes = 6;         // a power of two up to 2^5

#if VM_TRACE
// A VCD that remembers what it could not be written for: Verilator's own ends the process.
class TraceFile final : public VerilatedVcdFile {
 public:
  bool open(const std::string& name) override {
    const bool opened = VerilatedVcdFile::open(name);
    if (!opened) error_ = errno;
    return opened;
  }
  ssize_t write(const char* data, ssize_t length) override {
    if (error_) return length;
    const ssize_t written = VerilatedVcdFile::write(data, length);
    if (written >= 0 || errno == EAGAIN || errno == EINTR) return written;
    error_ = errno;
    return length;
  }
  int32_t error() const { return error_; }

 private:
  int32_t error_ = 0;
};
#endif

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
#ifdef SYSTOLAB_COVERAGE
  void write_coverage(const char* path) { context_->coveragep()->write(path); }
#endif

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
  int32_t attempt(SystolabJob* job, Random* random, uint64_t clocks, bool again = false);
  int32_t again(SystolabJob* job, Random* random);
  void rest(SystolabJob* job);

  std::unique_ptr<VerilatedContext> context_;
  bool own_;
  Top* top_;
#if VM_TRACE
  std::unique_ptr<TraceFile> file_;
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
    file_.reset(new TraceFile);
    trace_.reset(new VerilatedVcdC(file_.get()));
    top_->trace(trace_.get(), 99);
    trace_->open(job->trace_path);
    if (!trace_->isOpen()) {
      trace_.reset();
      job->trace_error = file_->error();
      return job->fault = kNone;  // nothing ran
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
    job->trace_error = file_->error();
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
  if (!job->stall) {
    const int32_t fault = attempt(job, nullptr, 0);
    if (fault == kNone) rest(job);
    return fault;
  }
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
  int32_t fault = attempt(job, &generator, 0);
  if (fault != kNone) return fault;
  const SystolabJob first = *job;
  fault = again(job, &generator);
  if (fault != kNone) return fault;
  rest(job);
  // What is answered, and drawn, is the first run; that the second one is like it was watched.
  job->cycles = first.cycles;
  job->stalls = first.stalls;
  std::memcpy(job->transfers, first.transfers, sizeof(first.transfers));
  return kNone;
}

// Runs the kernel once more, from the first cycle in which it is done. All must be as before.
int32_t Driver::again(SystolabJob* job, Random* random) {
  const auto* const out = static_cast<const uint8_t*>(job->o_mem);
  const std::vector<uint8_t> codes(out, out + job->o_size * sizeof(Code<OUT_BITS>));
  const SystolabJob before = *job;
  const int32_t fault = attempt(job, random, 0, true);
  if (fault != kNone) return fault;
  if (job->cycles != before.cycles || std::memcmp(job->transfers, before.transfers, sizeof(before.transfers)) ||
      std::memcmp(codes.data(), out, codes.size())) {
    violate(job, kAgain, job->cycles + job->stalls);
  }
  return kNone;
}

// After a kernel nothing moves any more.
void Driver::rest(SystolabJob* job) {
  idle();
  tick();
  const uint64_t cycle = job->cycles + job->stalls;
  if (requests()) violate(job, kIdleRequest, cycle);
  if (!top_->done_o) violate(job, kNotDone, cycle);
  if (top_->cycles_o != job->cycles || top_->stalls_o != job->stalls) violate(job, kStallCount, cycle);
}

// Runs the configured kernel, or its first `clocks` clock cycles without writing anything.
int32_t Driver::attempt(SystolabJob* job, Random* random, uint64_t clocks, bool again) {
  const Lines<ACT_BITS> a_lines(job->a_mem, job->a_size);
  const Lines<WEIGHT_BITS> w_lines(job->w_mem, job->w_size);
  auto* const out = static_cast<Code<OUT_BITS>*>(job->o_mem);
  ReadPort a(random);
  ReadPort w(random);
  ReadPort p(random);
  idle();
  top_->a_req_ready_i = top_->w_req_ready_i = top_->p_req_ready_i = top_->o_req_ready_i = 1;
#if BLOCK_SCALED
  ReadPort sa(random);
  ReadPort sw(random);
  top_->sa_req_ready_i = top_->sw_req_ready_i = 1;
#endif

#if VM_TRACE
  time_ = 0;
  tracing_ = clocks == 0 && !again;
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
      // While it is busy a start pulse must change nothing, least of all in its last cycle.
      top_->start_i = top_->cycles_o < job->busy && (top_->cycles_o + 1 == job->busy || random->coin());
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
        cover_end(3, base + lane + 1 == job->o_size);
        out[base + lane] = (word >> (lane * OUT_BITS % 8)) & ((1u << OUT_BITS) - 1);
      }
    }

    if (random) monitor.before(*top_);
    tick();
    if (random) {
      const Violation found = monitor.after(*top_);
      if (found != kObeyed) violate(job, found, cycle);
    }

    if (!clocks) {
      cover_end(0, a_request && top_->a_req_ready_i && a_lines.last(a_line));
      cover_end(1, w_request && top_->w_req_ready_i && w_lines.last(w_line));
      cover_end(2, p_request && top_->p_req_ready_i && p_index + 1 == job->p_size);
#if BLOCK_SCALED
      cover_end(4, sa_request && top_->sa_req_ready_i && sa_index + 1 == job->a_scale_size);
      cover_end(5, sw_request && top_->sw_req_ready_i && sw_index + 1 == job->w_scale_size);
#endif
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

#ifdef SYSTOLAB_COVERAGE
void systolab_write_coverage(void* driver, const char* path) {
  static_cast<Driver*>(driver)->write_coverage(path);
}
#endif

}  // extern "C"

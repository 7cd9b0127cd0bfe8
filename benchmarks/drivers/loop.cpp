// The physical limit: a kernel on the Verilated model from C++ and nothing else.
//
//   loop DIRECTORY SECONDS
//
// Reads the kernel's memories from the directory, runs the kernel again and again for some seconds
// of CPU time, prints the cycles of one run, the number of runs and the CPU seconds, and writes the
// output memory. There are no stalls, so a request is answered in the next cycle and always taken;
// codes have 8 bits. Nothing is checked: no bounds, no hang.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "Vsystolab_top.h"
#include "verilated.h"

namespace {

std::string folder;

template <class T>
std::vector<T> load(const char* name) {
  std::ifstream file(folder + "/" + name, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

double now() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec + 1e-9 * time.tv_nsec;
}

void tick(Vsystolab_top& top) {
  top.clk_i = 1;
  top.eval();
  top.clk_i = 0;
  top.eval();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  folder = argv[1];
  const double seconds = std::atof(argv[2]);
  const auto words = load<uint32_t>("words");
  const auto a = load<uint8_t>("a");
  const auto w = load<uint8_t>("w");
  const auto scale = load<uint32_t>("scale");
  const auto bias = load<uint32_t>("bias");
  auto o = load<uint8_t>("o");

  VerilatedContext context;
  Vsystolab_top top(&context);
  top.rst_ni = 1;
  top.eval();
  top.rst_ni = 0;
  tick(top);
  tick(top);
  top.rst_ni = 1;
  tick(top);
  top.a_req_ready_i = top.w_req_ready_i = top.p_req_ready_i = top.o_req_ready_i = 1;

  const double start = now();
  uint64_t runs = 0;
  do {
    top.cfg_valid_i = 1;
    for (size_t i = 0; i < words.size(); i += 2) {
      top.cfg_addr_i = words[i];
      top.cfg_data_i = words[i + 1];
      tick(top);
    }
    top.cfg_valid_i = 0;
    top.start_i = 1;
    tick(top);
    top.start_i = 0;
    while (!top.done_o) {
      const bool a_request = top.a_req_valid_o;
      const bool w_request = top.w_req_valid_o;
      const bool p_request = top.p_req_valid_o;
      const size_t a_line = top.a_req_line_o;
      const size_t w_line = top.w_req_line_o;
      const size_t p_index = top.p_req_index_o;
      if (top.o_req_valid_o) {
        const auto* data = reinterpret_cast<const uint8_t*>(&top.o_req_data_o);
        uint8_t* const line = &o[static_cast<size_t>(top.o_req_line_o) * LINE];
        for (int lane = 0; lane < LINE; ++lane) {
          if (top.o_req_mask_o >> lane & 1) line[lane] = data[lane];
        }
      }
      tick(top);
      // Responses for the next edge.
      if ((top.a_rsp_valid_i = a_request)) std::memcpy(&top.a_rsp_data_i, &a[a_line * LINE], LINE);
      if ((top.w_rsp_valid_i = w_request)) std::memcpy(&top.w_rsp_data_i, &w[w_line * LINE], LINE);
      if ((top.p_rsp_valid_i = p_request)) {
        top.p_rsp_data_i = static_cast<uint64_t>(bias[p_index]) << 32 | scale[p_index];
      }
    }
    ++runs;
  } while (now() - start < seconds);
  const double used = now() - start;
  std::printf("%llu %llu %.9f\n", static_cast<unsigned long long>(top.cycles_o),
              static_cast<unsigned long long>(runs), used);
  std::ofstream(folder + "/after", std::ios::binary)
      .write(reinterpret_cast<const char*>(o.data()), static_cast<std::streamsize>(o.size()));
  top.final();
  return 0;
}

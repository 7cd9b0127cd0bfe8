// Batch driver of the unit harness (cosim/simulator/units.py): one native call evaluates many cases.
//
// Values wider than a port's C++ type would allow are passed as little-endian 32-bit words, WORDS
// of them for an accumulator.

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "Vsystolab_units.h"
#include "mutants.h"
#include "verilated.h"

// Whether the array scales its column sums.
#ifndef BLOCK_SCALED
#define BLOCK_SCALED 0
#endif

namespace {

template <typename Port>
void put(Port& port, const uint32_t* words) {
  if constexpr (sizeof(Port) <= 4) {
    port = static_cast<Port>(words[0]);
  } else {
    port = static_cast<Port>(words[0]) | static_cast<Port>(words[1]) << 32;
  }
}

template <std::size_t Words>
void put(VlWide<Words>& port, const uint32_t* words) {
  for (std::size_t i = 0; i < Words; ++i) port[i] = words[i];
}

template <typename Port>
void get(const Port& port, uint32_t* words) {
  words[0] = static_cast<uint32_t>(port);
  if constexpr (sizeof(Port) > 4) words[1] = static_cast<uint32_t>(port >> 32);
}

template <std::size_t Words>
void get(const VlWide<Words>& port, uint32_t* words) {
  for (std::size_t i = 0; i < Words; ++i) words[i] = port[i];
}

struct Units {
  VerilatedContext context;
  Vsystolab_units top{&context};
};

}  // namespace

extern "C" {

Units* units_new() {
  auto* units = new Units;
  units->top.eval();
  return units;
}

void units_delete(Units* units) { delete units; }

// Operands have two words: the second holds bits 32 and up.
void units_decode(Units* units, int64_t weight, int64_t active, int64_t n, const uint16_t* codes,
                  uint32_t* operands) {
  auto& top = units->top;
  for (int64_t i = 0; i < n; ++i) {
    operands[2 * i + 1] = 0;
    if (weight) {
      top.weight_active_i = active;
      top.weight_code_i = codes[i];
      top.eval();
      get(top.weight_operand_o, operands + 2 * i);
    } else {
      top.act_active_i = active;
      top.act_code_i = codes[i];
      top.eval();
      get(top.act_operand_o, operands + 2 * i);
    }
  }
}

void units_encode(Units* units, int64_t n, const uint32_t* values, uint16_t* codes) {
  auto& top = units->top;
  top.valid_i = 1;
  for (int64_t i = 0; i < n; ++i) {
    top.encoder_value_i = values[i];
    top.eval();
    codes[i] = top.encoder_code_o;
  }
}

void units_binary32(Units* units, int64_t n, const uint32_t* a, const uint32_t* b, uint32_t* sums,
                    uint32_t* products) {
  auto& top = units->top;
  top.valid_i = 1;
  for (int64_t i = 0; i < n; ++i) {
    top.a_i = a[i];
    top.b_i = b[i];
    top.eval();
    sums[i] = top.sum_o;
    products[i] = top.product_o;
  }
}

void units_clamp(Units* units, int64_t n, const uint32_t* x, const uint32_t* low,
                 const uint32_t* high, uint32_t* clamped) {
  auto& top = units->top;
  top.valid_i = 1;
  for (int64_t i = 0; i < n; ++i) {
    top.a_i = x[i];
    top.low_i = low[i];
    top.high_i = high[i];
    top.eval();
    clamped[i] = top.clamped_o;
  }
}

void units_convert(Units* units, int64_t n, int64_t words, const uint32_t* acc, uint32_t* values) {
  auto& top = units->top;
  top.valid_i = 1;
  for (int64_t i = 0; i < n; ++i) {
    put(top.convert_i, acc + words * i);
    top.eval();
    values[i] = top.converted_o;
  }
}

// Outputs for operands that are there (a, b) but not valid: sum, product, clamp, conversion, code.
void units_isolated(Units* units, int64_t n, int64_t words, const uint32_t* a, const uint32_t* b,
                    const uint32_t* acc, uint32_t* outputs) {
  auto& top = units->top;
  top.valid_i = 0;
  for (int64_t i = 0; i < n; ++i) {
    top.encoder_value_i = a[i];
    top.a_i = a[i];
    top.b_i = b[i];
    top.low_i = b[i];
    top.high_i = b[i];
    put(top.convert_i, acc + words * i);
    top.eval();
    uint32_t* const out = outputs + 5 * i;
    out[0] = top.sum_o;
    out[1] = top.product_o;
    out[2] = top.clamped_o;
    out[3] = top.converted_o;
    out[4] = top.encoder_code_o;
  }
}
#if BLOCK_SCALED
// The sum of cycle i comes out scaled after the clock edge of cycle i + 1. The scale of W that it
// may take is loaded in cycle i - 1.
void units_scale(Units* units, int64_t n, int64_t words, const uint32_t* sums, const uint32_t* act,
                 const uint32_t* weight, const uint8_t* first, uint32_t* scaled) {
  auto& top = units->top;
  top.rst_ni = 1;
  for (int64_t i = -1; i <= n; ++i) {
    const bool valid = i >= 0 && i < n;
    top.valid_i = valid;
    if (valid) {
      put(top.convert_i, sums + words * i);
      top.scale_act_i = act[i];
      top.scale_first_i = first[i];
    }
    top.scale_weight_i = i + 1 < n ? weight[i + 1] : 0;
    top.clk_i = 0;
    top.eval();
    top.clk_i = 1;
    top.eval();
    if (i >= 1) scaled[i - 1] = top.scaled_o;
  }
}
#endif

}  // extern "C"

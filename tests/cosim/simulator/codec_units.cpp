// Batch driver of many decoders and encoders in one module (codec_units.py).

#include <cstdint>
#include <memory>

#include "Vsystolab_codecs.h"
#include "verilated.h"

namespace {

struct Codecs {
  VerilatedContext context;
  Vsystolab_codecs top{&context};
};

}  // namespace

extern "C" {

Codecs* codecs_new() { return new Codecs; }

void codecs_delete(Codecs* codecs) { delete codecs; }

void codecs_decode(Codecs* codecs, int64_t select, int64_t active, int64_t n,
                   const uint16_t* codes, uint64_t* operands) {
  auto& top = codecs->top;
  top.decode_i = select;
  top.active_i = active;
  for (int64_t i = 0; i < n; ++i) {
    top.code_i = codes[i];
    top.eval();
    operands[i] = top.operand_o;
  }
}

void codecs_encode(Codecs* codecs, int64_t select, int64_t valid, int64_t n,
                   const uint32_t* values, uint16_t* codes) {
  auto& top = codecs->top;
  top.encode_i = select;
  top.valid_i = valid;
  for (int64_t i = 0; i < n; ++i) {
    top.value_i = values[i];
    top.eval();
    codes[i] = top.code_o;
  }
}

}  // extern "C"

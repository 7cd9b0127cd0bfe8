/* Quantisation: binary32 values to codes. */
#include <string.h>

#include "clones.h"
#include "systolab.h"

#define INFINITE 0x7F800000u

static inline __attribute__((always_inline)) uint32_t bits_of(const float *x) {
    uint32_t bits;
    memcpy(&bits, x, sizeof bits);
    return bits;
}

/* Branch-free, so that the compiler vectorises it. */
static inline __attribute__((always_inline)) uint32_t binary_code(
    uint32_t bits, const systolab_binary_encoder *e) {
    const uint32_t sign = bits >> 31;
    const uint32_t magnitude = bits & 0x7FFFFFFFu;
    /* Normal: round the fraction to nearest even where it lies; a carry moves the exponent on. */
    const uint32_t odd = (magnitude >> e->shift) & 1;
    const uint32_t normal = ((magnitude + e->half - 1 + odd) >> e->shift) - e->offset;
    /* Small: either multiples of a quantum, by adding 2^23 of them, or one step. */
    float value;
    memcpy(&value, &magnitude, sizeof value);
    value += e->lift;
    const uint32_t multiple = bits_of(&value) - e->lift_bits;
    const uint32_t step = magnitude >= e->least ? e->least_code : 0;
    const uint32_t low = e->lift_bits != 0 ? multiple : step;
    uint32_t code = magnitude < e->normal ? low : normal;
    const uint32_t negative =
        code == 0 ? e->negative_zero : ((code ^ e->negate_xor) + e->negate_add) & e->mask;
    const uint32_t high = sign ? e->high[1] : e->high[0];
    const uint32_t high_code = sign ? e->high_code[1] : e->high_code[0];
    const uint32_t infinity_code = sign ? e->infinity_code[1] : e->infinity_code[0];
    code = sign ? negative : code;
    code = magnitude >= high ? high_code : code;
    code = magnitude == INFINITE ? infinity_code : code;
    return magnitude > INFINITE ? e->nan_code : code;
}

CLONES void systolab_encode_binary8(const float *x, size_t count,
                                    const systolab_binary_encoder *encoder, uint8_t *out) {
    const systolab_binary_encoder e = *encoder; /* out may not alias it */
    for (size_t i = 0; i < count; ++i) {
        out[i] = (uint8_t)binary_code(bits_of(x + i), &e);
    }
}

CLONES void systolab_encode_binary16(const float *x, size_t count,
                                     const systolab_binary_encoder *encoder, uint16_t *out) {
    const systolab_binary_encoder e = *encoder;
    for (size_t i = 0; i < count; ++i) {
        out[i] = (uint16_t)binary_code(bits_of(x + i), &e);
    }
}

static inline uint32_t half_index(uint32_t bits) {
    return (bits >> 16) << 1 | ((bits & 0xFFFFu) != 0);
}

void systolab_encode_lookup8(const float *x, size_t count, const uint8_t *codes, uint8_t *out) {
    for (size_t i = 0; i < count; ++i) {
        out[i] = codes[half_index(bits_of(x + i))];
    }
}

void systolab_encode_lookup16(const float *x, size_t count, const uint16_t *codes,
                              uint16_t *out) {
    for (size_t i = 0; i < count; ++i) {
        out[i] = codes[half_index(bits_of(x + i))];
    }
}

void systolab_encode_search(const float *x, size_t count, const uint32_t *keys,
                            const uint32_t *first, const uint16_t *codes, uint16_t nan_code,
                            uint16_t *out) {
    for (size_t i = 0; i < count; ++i) {
        const uint32_t bits = bits_of(x + i);
        const uint32_t key = bits ^ (bits >> 31 ? 0xFFFFFFFFu : 0x80000000u);
        uint32_t low = first[key >> 16], high = first[(key >> 16) + 1];
        while (low < high) { /* rarely more than once: few steps share their upper 16 bits */
            const uint32_t middle = low + (high - low) / 2;
            if (keys[middle] <= key) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        out[i] = (bits & 0x7FFFFFFFu) > INFINITE ? nan_code : codes[low];
    }
}

static inline __attribute__((always_inline)) float round_odd(double x) {
    const float nearest = (float)x;
    const double back = nearest;
    uint32_t bits = bits_of(&nearest);
    const uint32_t outward = __builtin_fabs(x) > __builtin_fabs(back) ? 1u : 0xFFFFFFFFu;
    bits += back != x && (bits & 1) == 0 ? outward : 0;
    float odd;
    memcpy(&odd, &bits, sizeof odd);
    return odd;
}

CLONES void systolab_round_odd(const double *x, size_t count, float *out) {
    for (size_t i = 0; i < count; ++i) {
        out[i] = round_odd(x[i]);
    }
}

CLONES void systolab_divide_odd(const float *x, size_t count, double divisor, float *out) {
    for (size_t i = 0; i < count; ++i) {
        out[i] = round_odd((double)x[i] / divisor);
    }
}

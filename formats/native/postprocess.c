/* From accumulators to real values, see formats/dot/postprocess.py. */
#include <string.h>

#include "clones.h"
#include "systolab.h"

static inline __attribute__((always_inline)) float finish(float x, float scale, float bias,
                                                          float low, float high) {
    float y = x * scale;
    y = y + bias;
    y = y < low ? low : y;
    y = y > high ? high : y;
    const uint32_t canonical = 0x7FC00000u;
    float nan;
    memcpy(&nan, &canonical, sizeof nan);
    return y != y ? nan : y;
}

CLONES void systolab_postprocess_binary32(const float *acc, size_t rows, size_t columns,
                                          const float *scale, const float *bias, float low,
                                          float high, float *out) {
    for (size_t i = 0; i < rows; ++i) {
        for (size_t j = 0; j < columns; ++j) {
            out[i * columns + j] =
                finish(acc[i * columns + j], scale[j], bias[j], low, high);
        }
    }
}

/* One rounding to binary32.  Beyond 53 bits, the low bits are first replaced by a sticky bit, from
 * which the rounding to 24 bits is the same. */
static inline __attribute__((always_inline)) float from_integer(int64_t value, double unit) {
    const int64_t limit = (int64_t)1 << 53;
    const int wide = value > limit || value < -limit;
    const int64_t jammed = (value >> 11) | ((value & 0x7FF) != 0);
    const double number = (double)(wide ? jammed : value);
    return (float)(number * (wide ? unit * 2048.0 : unit));
}

CLONES void systolab_postprocess_int64(const int64_t *acc, double unit, size_t rows,
                                       size_t columns, const float *scale, const float *bias,
                                       float low, float high, float *out) {
    for (size_t i = 0; i < rows; ++i) {
        for (size_t j = 0; j < columns; ++j) {
            out[i * columns + j] = finish(from_integer(acc[i * columns + j], unit), scale[j],
                                          bias[j], low, high);
        }
    }
}

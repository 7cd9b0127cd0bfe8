/* The oracle at the speed of C: loops around SoftFloat's own functions. */
#include <stdlib.h>
#include <string.h>

#include "codes.h"
#include "systolab.h"

int32_t systolab_abi(void) { return SYSTOLAB_ABI; }

void systolab_map_binary32(systolab_f32_op op, const uint32_t *x, const uint32_t *y,
                           uint32_t *out, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        out[i] = op((systolab_f32){x[i]}, (systolab_f32){y[i]}).v;
    }
}

static systolab_f32 bits_of(float value) {
    systolab_f32 bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

int32_t systolab_dot_softfloat(const systolab_softfloat *softfloat, systolab_matrix a,
                               const float *table_a, systolab_matrix w, const float *table_w,
                               size_t m, size_t k, size_t n, size_t group, float *out) {
    const systolab_f32_op mul = softfloat->f32_mul, add = softfloat->f32_add;
    /* One column of w at a time: its terms are then contiguous. */
    systolab_f32 *column = malloc((k + 1) * sizeof *column);
    if (column == NULL) {
        return -1;
    }
    for (size_t j = 0; j < n; ++j) {
        for (size_t i = 0; i < k; ++i) {
            column[i] = bits_of(table_w[code_at(w, i, j)]);
        }
        for (size_t row = 0; row < m; ++row) {
            systolab_f32 acc = {0};
            for (size_t first = 0; first < k; first += group) {
                size_t last = group < k - first ? first + group : k;
                systolab_f32 sum = {0};
                for (size_t i = first; i < last; ++i) {
                    sum = add(sum, mul(bits_of(table_a[code_at(a, row, i)]), column[i]));
                }
                acc = add(acc, sum);
            }
            memcpy(&out[row * n + j], &acc, sizeof acc);
        }
    }
    free(column);
    return 0;
}

void systolab_integers_softfloat(const systolab_softfloat *softfloat, const int64_t *x,
                                 size_t count, double unit, uint32_t *out) {
    const int64_t limit = (int64_t)1 << 53;
    for (size_t i = 0; i < count; ++i) {
        /* Beyond 53 bits keep the upper ones and a sticky bit: only the last step rounds. */
        const bool wide = x[i] > limit || x[i] < -limit;
        const int64_t jammed = wide ? (x[i] >> 11) | ((x[i] & 0x7FF) != 0) : x[i];
        const double weight = wide ? unit * 2048.0 : unit;
        systolab_f64 factor;
        memcpy(&factor, &weight, sizeof factor);
        out[i] = softfloat
                     ->f64_to_f32(softfloat->f64_mul(softfloat->i64_to_f64(jammed), factor))
                     .v;
    }
}

void systolab_postprocess_softfloat(const systolab_softfloat *softfloat, const uint32_t *x,
                                    size_t rows, size_t columns, const uint32_t *scale,
                                    const uint32_t *bias, uint32_t low, uint32_t high,
                                    uint32_t *out) {
    const systolab_f32 least = {low}, most = {high};
    for (size_t i = 0; i < rows; ++i) {
        for (size_t j = 0; j < columns; ++j) {
            const systolab_f32 value = {x[i * columns + j]}, factor = {scale[j]}, term = {bias[j]};
            systolab_f32 y = softfloat->f32_add(softfloat->f32_mul(value, factor), term);
            y = softfloat->f32_lt(y, least) ? least : y;
            y = softfloat->f32_lt(most, y) ? most : y;
            out[i * columns + j] = y.v;
        }
    }
}

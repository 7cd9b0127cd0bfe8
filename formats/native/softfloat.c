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

int32_t systolab_dot_softfloat(systolab_f32_op mul, systolab_f32_op add, systolab_matrix a,
                               const float *table_a, systolab_matrix w, const float *table_w,
                               size_t m, size_t k, size_t n, size_t group, float *out) {
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

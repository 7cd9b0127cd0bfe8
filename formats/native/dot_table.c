/* The Float accumulator of any format of at most 8 bits: both operations are tables of codes. */
#include <stdlib.h>
#include <string.h>

#include "systolab.h"

enum { COLUMNS = 16 }; /* independent chains: one lookup depends on the one before */

static void columns_of_row(const uint8_t *a, const uint8_t *w, size_t k, size_t group,
                           const uint8_t *product, const uint8_t *sum, uint8_t zero,
                           uint8_t *out) {
    uint8_t acc[COLUMNS], total[COLUMNS];
    memset(acc, zero, sizeof acc);
    for (size_t first = 0; first < k; first += group) {
        const size_t last = group < k - first ? first + group : k;
        memset(total, zero, sizeof total);
        for (size_t i = first; i < last; ++i) {
            const uint8_t *row = product + 256 * (size_t)a[i];
            for (int j = 0; j < COLUMNS; ++j) {
                total[j] = sum[256 * (size_t)total[j] + row[w[i * COLUMNS + j]]];
            }
        }
        for (int j = 0; j < COLUMNS; ++j) {
            acc[j] = sum[256 * (size_t)acc[j] + total[j]];
        }
    }
    memcpy(out, acc, sizeof acc);
}

int32_t systolab_dot_table(systolab_matrix a, systolab_matrix w, size_t m, size_t k, size_t n,
                           size_t group, const uint8_t *product, const uint8_t *sum,
                           uint8_t zero, uint8_t *out) {
    uint8_t *panel = malloc(k * COLUMNS + 1);
    if (panel == NULL) {
        return -1;
    }
    for (size_t column = 0; column < n; column += COLUMNS) {
        const size_t width = n - column < COLUMNS ? n - column : COLUMNS;
        memset(panel, 0, k * COLUMNS);
        for (size_t i = 0; i < k; ++i) {
            memcpy(panel + i * COLUMNS, (const uint8_t *)w.codes + i * w.stride + column, width);
        }
        for (size_t row = 0; row < m; ++row) {
            uint8_t codes[COLUMNS];
            columns_of_row((const uint8_t *)a.codes + row * a.stride, panel, k, group, product,
                           sum, zero, codes);
            memcpy(out + row * n + column, codes, width);
        }
    }
    free(panel);
    return 0;
}

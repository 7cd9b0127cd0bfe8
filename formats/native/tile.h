/* Dot products in a fixed order, vectorised over columns: every lane keeps its own chain of
 * operations, so the result does not depend on the width of the vectors.
 *
 * This file is a template, included by targets.h once per instruction set, with
 *   NAME(x)        name of a function for this element type, operation and instruction set
 *   TARGET         the attribute that selects the instruction set
 *   VECTOR_BYTES   size of its vectors
 * and, from the file that includes targets.h,
 *   SCALAR, LANE   element type, and the integer type of its size
 *   PARAMETERS     type of the operation's parameters
 *   CONSTANTS(p)   declarations of vector constants made from the parameters `p`
 *   MULTIPLY(a, w) product of a scalar and a vector
 *   ADD(s, p)      sum of two vectors
 * The last two may use VECTOR, MASK and WHERE(condition, x, y), a choice lane by lane.
 */

enum {
    NAME(lanes) = VECTOR_BYTES / sizeof(SCALAR),
    NAME(panel) = 2 * VECTOR_BYTES / sizeof(SCALAR), /* columns of a register tile */
};

typedef SCALAR NAME(vector) __attribute__((vector_size(VECTOR_BYTES), may_alias));
typedef LANE NAME(mask) __attribute__((vector_size(VECTOR_BYTES), may_alias));

#define VECTOR NAME(vector)
#define MASK NAME(mask)
#define WHERE(condition, x, y)                                                                 \
    ((VECTOR)(((MASK)(condition) & (MASK)(x)) | (~(MASK)(condition) & (MASK)(y))))

/* `rows` x panel results: a is [k][rows], w is [k][panel], out is [rows][panel].  `rows` is a
 * constant wherever this is inlined. */
TARGET static inline __attribute__((always_inline)) void NAME(tile)(
    const int rows, const SCALAR *a, const SCALAR *w, size_t k, size_t group,
    const PARAMETERS *p, VECTOR *out) {
    CONSTANTS(p)
    for (int r = 0; r < 2 * rows; ++r) {
        out[r] = (VECTOR){0};
    }
    for (size_t first = 0; first < k; first += group) {
        const size_t last = group < k - first ? first + group : k;
        VECTOR sum[2 * TILE_ROWS];
        for (int r = 0; r < 2 * rows; ++r) {
            sum[r] = (VECTOR){0};
        }
        for (size_t i = first; i < last; ++i) {
            const VECTOR left = *(const VECTOR *)(w + i * NAME(panel));
            const VECTOR right = *(const VECTOR *)(w + i * NAME(panel) + NAME(lanes));
            for (int r = 0; r < rows; ++r) {
                const SCALAR factor = a[i * (size_t)rows + (size_t)r];
                const VECTOR product[2] = {MULTIPLY(factor, left), MULTIPLY(factor, right)};
                sum[2 * r] = ADD(sum[2 * r], product[0]);
                sum[2 * r + 1] = ADD(sum[2 * r + 1], product[1]);
            }
        }
        for (int r = 0; r < 2 * rows; ++r) {
            out[r] = ADD(out[r], sum[r]);
        }
    }
}

TARGET static void NAME(store)(const VECTOR *tile, size_t rows, size_t columns, SCALAR *out,
                               size_t stride) {
    for (size_t r = 0; r < rows; ++r) {
        memcpy(out + r * stride, tile + 2 * r, columns * sizeof(SCALAR));
    }
}

/* w[k][first .. first + columns) into panels of [k][panel], the last one padded with zeros. */
TARGET static void NAME(pack_w)(systolab_matrix w, const SCALAR *table, size_t k, size_t first,
                                size_t columns, SCALAR *packed) {
    for (size_t start = 0; start < columns; start += NAME(panel)) {
        const size_t width =
            columns - start < NAME(panel) ? columns - start : (size_t)NAME(panel);
        for (size_t i = 0; i < k; ++i, packed += NAME(panel)) {
            for (size_t j = 0; j < width; ++j) {
                packed[j] = table[code_at(w, i, first + start + j)];
            }
            for (size_t j = width; j < NAME(panel); ++j) {
                packed[j] = 0;
            }
        }
    }
}

/* a[first .. first + rows)[k] into full tiles of [k][TILE_ROWS], then single rows of [k]. */
TARGET static void NAME(pack_a)(systolab_matrix a, const SCALAR *table, size_t first,
                                size_t rows, size_t k, SCALAR *packed) {
    size_t row = 0;
    for (; row + TILE_ROWS <= rows; row += TILE_ROWS) {
        for (size_t i = 0; i < k; ++i) {
            for (size_t r = 0; r < TILE_ROWS; ++r) {
                *packed++ = table[code_at(a, first + row + r, i)];
            }
        }
    }
    for (; row < rows; ++row) {
        for (size_t i = 0; i < k; ++i) {
            *packed++ = table[code_at(a, first + row, i)];
        }
    }
}

TARGET static int32_t NAME(dot)(systolab_matrix a, const SCALAR *table_a, systolab_matrix w,
                                const SCALAR *table_w, size_t m, size_t k, size_t n,
                                size_t group, const PARAMETERS *p, SCALAR *out) {
    const size_t columns = n < BLOCK_COLUMNS ? n : BLOCK_COLUMNS;
    const size_t panels = (columns + NAME(panel) - 1) / NAME(panel);
    const size_t rows = m < BLOCK_ROWS ? m : BLOCK_ROWS;
    const size_t w_size = panels * NAME(panel) * k;
    const size_t bytes = (w_size + rows * k + 1) * sizeof(SCALAR);
    SCALAR *packed_w = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (packed_w == NULL) {
        return -1;
    }
    SCALAR *packed_a = packed_w + w_size;
    for (size_t column = 0; column < n; column += BLOCK_COLUMNS) {
        const size_t width = n - column < BLOCK_COLUMNS ? n - column : BLOCK_COLUMNS;
        NAME(pack_w)(w, table_w, k, column, width, packed_w);
        for (size_t row = 0; row < m; row += BLOCK_ROWS) {
            const size_t height = m - row < BLOCK_ROWS ? m - row : BLOCK_ROWS;
            NAME(pack_a)(a, table_a, row, height, k, packed_a);
            for (size_t start = 0; start < width; start += NAME(panel)) {
                const SCALAR *panel = packed_w + start * k;
                const size_t some = width - start < NAME(panel) ? width - start
                                                                : (size_t)NAME(panel);
                SCALAR *corner = out + row * n + column + start;
                VECTOR tile[2 * TILE_ROWS];
                size_t r = 0;
                for (; r + TILE_ROWS <= height; r += TILE_ROWS) {
                    NAME(tile)(TILE_ROWS, packed_a + r * k, panel, k, group, p, tile);
                    NAME(store)(tile, TILE_ROWS, some, corner + r * n, n);
                }
                for (; r < height; ++r) {
                    NAME(tile)(1, packed_a + r * k, panel, k, group, p, tile);
                    NAME(store)(tile, 1, some, corner + r * n, n);
                }
            }
        }
    }
    free(packed_w);
    return 0;
}

#undef VECTOR
#undef MASK
#undef WHERE

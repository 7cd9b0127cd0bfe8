/* Codes to values, and exact binary64 integers to int64. */
#include <string.h>

#include "clones.h"
#include "codes.h"
#include "systolab.h"

#define DECODE(name, type)                                                                     \
    void name(systolab_matrix codes, size_t rows, size_t columns, const type *table,           \
              type *out) {                                                                     \
        for (size_t i = 0; i < rows; ++i, out += columns) {                                    \
            if (codes.width == 1) {                                                            \
                const uint8_t *row = (const uint8_t *)codes.codes + i * codes.stride;          \
                for (size_t j = 0; j < columns; ++j) {                                         \
                    out[j] = table[row[j]];                                                    \
                }                                                                              \
            } else {                                                                           \
                const uint16_t *row = (const uint16_t *)codes.codes + i * codes.stride;        \
                for (size_t j = 0; j < columns; ++j) {                                         \
                    out[j] = table[row[j]];                                                    \
                }                                                                              \
            }                                                                                  \
        }                                                                                      \
    }

DECODE(systolab_decode_binary32, float)
DECODE(systolab_decode_binary64, double)

int32_t systolab_any_marked(systolab_matrix codes, size_t rows, size_t columns,
                            const uint8_t *marks) {
    for (size_t i = 0; i < rows; ++i) {
        unsigned marked = 0;
        if (codes.width == 1) {
            const uint8_t *row = (const uint8_t *)codes.codes + i * codes.stride;
            for (size_t j = 0; j < columns; ++j) {
                marked |= marks[row[j]];
            }
        } else {
            const uint16_t *row = (const uint16_t *)codes.codes + i * codes.stride;
            for (size_t j = 0; j < columns; ++j) {
                marked |= marks[row[j]];
            }
        }
        if (marked != 0) {
            return 1;
        }
    }
    return 0;
}

CLONES void systolab_wrap_in_place(void *values, size_t count, int32_t up, int32_t down) {
    unsigned char *bytes = values; /* the same memory before and after, as two types */
    for (size_t i = 0; i < count; ++i) {
        double number;
        memcpy(&number, bytes + 8 * i, sizeof number);
        uint64_t integer = (uint64_t)(int64_t)number;
        int64_t wrapped = (int64_t)(integer << up) >> down;
        memcpy(bytes + 8 * i, &wrapped, sizeof wrapped);
    }
}

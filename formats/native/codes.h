/* Reading codes of either width. */
#ifndef SYSTOLAB_CODES_H
#define SYSTOLAB_CODES_H

#include "systolab.h"

static inline size_t code_at(systolab_matrix matrix, size_t row, size_t column) {
    size_t i = row * matrix.stride + column;
    return matrix.width == 1 ? ((const uint8_t *)matrix.codes)[i]
                             : ((const uint16_t *)matrix.codes)[i];
}

#endif

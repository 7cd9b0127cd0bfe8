/* The Float accumulator of a narrow binary format, carried in binary32. */
#define SCALAR float
#define LANE int32_t
#define FRACTION_BITS 23
#define BIAS 127
#define EXPONENT_MASK 0xFF
#include "systolab.h"

#include "round.h"

int32_t systolab_dot_round32(systolab_matrix a, const float *table_a, systolab_matrix w,
                             const float *table_w, size_t m, size_t k, size_t n, size_t group,
                             const systolab_rounding *rounding, float *out) {
    return dot(a, table_a, w, table_w, m, k, n, group, rounding, out);
}

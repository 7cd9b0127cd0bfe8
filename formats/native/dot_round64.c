/* The Float accumulator of a binary format, carried in binary64. */
#define SCALAR double
#define LANE int64_t
#define FRACTION_BITS 52
#define BIAS 1023
#define EXPONENT_MASK 0x7FF
#include "systolab.h"

#include "round.h"

int32_t systolab_dot_round64(systolab_matrix a, const double *table_a, systolab_matrix w,
                             const double *table_w, size_t m, size_t k, size_t n, size_t group,
                             const systolab_rounding *rounding, double *out) {
    return dot(a, table_a, w, table_w, m, k, n, group, rounding, out);
}

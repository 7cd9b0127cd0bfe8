/* The Saturate accumulator on integers carried in binary64.  Exact where the register has at most
 * 53 bits and holds any product: then |sum| + |product| < 2^53. */
typedef struct {
    double low, high;
} limits;

#define SCALAR double
#define LANE int64_t
#define PARAMETERS limits
#define CONSTANTS(p)                                                                           \
    const VECTOR low = (VECTOR){0} + (p)->low;                                                 \
    const VECTOR high = (VECTOR){0} + (p)->high;
#define MULTIPLY(a, w) ((a) * (w))
#define ADD(s, p)                                                                              \
    ({                                                                                         \
        VECTOR total = (s) + (p);                                                              \
        total = WHERE(total > high, high, total);                                              \
        WHERE(total < low, low, total);                                                        \
    })
#define FUNCTION dot
#include "targets.h"

int32_t systolab_dot_saturate(systolab_matrix a, const double *table_a, systolab_matrix w,
                              const double *table_w, size_t m, size_t k, size_t n,
                              size_t group, double low, double high, double *out) {
    const limits p = {low, high};
    return dot(a, table_a, w, table_w, m, k, n, group, &p, out);
}

/* The Float32 accumulator: multiply, round, add, round. */
typedef struct {
    char unused;
} no_parameters;

#define SCALAR float
#define LANE int32_t
#define PARAMETERS no_parameters
#define CONSTANTS(p) (void)(p);
#define MULTIPLY(a, w) ((a) * (w))
#define ADD(s, p) ((s) + (p))
#define FUNCTION dot
#include "targets.h"

int32_t systolab_dot_float32(systolab_matrix a, const float *table_a, systolab_matrix w,
                             const float *table_w, size_t m, size_t k, size_t n, size_t group,
                             float *out) {
    const no_parameters none = {0};
    return dot(a, table_a, w, table_w, m, k, n, group, &none, out);
}

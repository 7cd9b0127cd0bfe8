/* tile.h for every instruction set worth having, and the choice between them at run time.  The
 * including file defines what tile.h lists, and FUNCTION, the name of the dispatcher. */

#include <stdlib.h>
#include <string.h>

#include "codes.h"
#include "systolab.h"

enum {
    TILE_ROWS = 4,
    BLOCK_ROWS = 64,     /* rows of a decoded at a time */
    BLOCK_COLUMNS = 256, /* columns of w decoded at a time: a multiple of every panel */
};

#define JOIN_(x, y) x##_##y
#define JOIN(x, y) JOIN_(x, y)

#define TARGET
#define VECTOR_BYTES 16
#define NAME(x) JOIN(x, base)
#include "tile.h"
#undef TARGET
#undef VECTOR_BYTES
#undef NAME

#include "clones.h"

#if SYSTOLAB_TARGETS

#define TARGET __attribute__((target("arch=x86-64-v3")))
#define VECTOR_BYTES 32
#define NAME(x) JOIN(x, v3)
#include "tile.h"
#undef TARGET
#undef VECTOR_BYTES
#undef NAME

#ifndef SYSTOLAB_NO_AVX512
#define TARGET __attribute__((target("arch=x86-64-v4")))
#define VECTOR_BYTES 64
#define NAME(x) JOIN(x, v4)
#include "tile.h"
#undef TARGET
#undef VECTOR_BYTES
#undef NAME
#endif

static int32_t FUNCTION(systolab_matrix a, const SCALAR *table_a, systolab_matrix w,
                        const SCALAR *table_w, size_t m, size_t k, size_t n, size_t group,
                        const PARAMETERS *p, SCALAR *out) {
#ifndef SYSTOLAB_NO_AVX512
    if (__builtin_cpu_supports("x86-64-v4")) {
        return dot_v4(a, table_a, w, table_w, m, k, n, group, p, out);
    }
#endif
    if (__builtin_cpu_supports("x86-64-v3")) {
        return dot_v3(a, table_a, w, table_w, m, k, n, group, p, out);
    }
    return dot_base(a, table_a, w, table_w, m, k, n, group, p, out);
}

#else

static int32_t FUNCTION(systolab_matrix a, const SCALAR *table_a, systolab_matrix w,
                        const SCALAR *table_w, size_t m, size_t k, size_t n, size_t group,
                        const PARAMETERS *p, SCALAR *out) {
    return dot_base(a, table_a, w, table_w, m, k, n, group, p, out);
}

#endif

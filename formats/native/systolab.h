/* Systolab's native engines: dot products, quantisation and decoding of table-defined number
 * formats.  Plain C99, no dependencies; link or dlopen the built `_systolab` library.
 *
 * Conventions
 *   - Codes are unsigned integers of `width` bytes, 1 or 2, row major; `stride` is in codes.
 *   - A table has 256 entries for width 1 and 65536 for width 2: every code is a valid index.
 *   - Matrices: a is [m][k], w is [k][n], the result is [m][n] without padding.
 *   - The order of operations of every dot product is, for each group of `group` consecutive k,
 *         s = +0;  for k in the group: s = s + a[m][k] * w[k][n];   acc = acc + s
 *     with acc starting at +0.
 *   - All arithmetic is IEEE 754, to nearest even, with subnormals; the caller must not have
 *     switched its thread to flush-to-zero.  A NaN result is 0x7FC00000.
 *   - Functions that need workspace return 0, or -1 when they cannot allocate it.
 *   - Nothing here keeps state; any function may run in several threads at once.
 */
#ifndef SYSTOLAB_H
#define SYSTOLAB_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Changes whenever a declaration below does; a loader must compare before it calls. */
#define SYSTOLAB_ABI 1
int32_t systolab_abi(void);

/* One matrix of codes. */
typedef struct {
    const void *codes;
    size_t stride; /* codes from one row to the next */
    int32_t width; /* bytes per code: 1 or 2 */
} systolab_matrix;

/* ---- Berkeley SoftFloat, through pointers to its functions -------------------------------- */

/* float32_t is a struct of one uint32_t: on the supported ABIs it travels like the integer. */
typedef struct {
    uint32_t v;
} systolab_f32;
typedef systolab_f32 (*systolab_f32_op)(systolab_f32, systolab_f32);

/* out[i] = op(x[i], y[i]) for i < count, on bit patterns. */
void systolab_map_binary32(systolab_f32_op op, const uint32_t *x, const uint32_t *y,
                           uint32_t *out, size_t count);

/* The Float32 accumulator: product = mul(a, w), every sum by add. */
int32_t systolab_dot_softfloat(systolab_f32_op mul, systolab_f32_op add, systolab_matrix a,
                               const float *table_a, systolab_matrix w, const float *table_w,
                               size_t m, size_t k, size_t n, size_t group, float *out);

#ifdef __cplusplus
}
#endif

#endif

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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Changes whenever a declaration below does; a loader must compare before it calls. */
#define SYSTOLAB_ABI 3
int32_t systolab_abi(void);

/* One matrix of codes. */
typedef struct {
    const void *codes;
    size_t stride; /* codes from one row to the next */
    int32_t width; /* bytes per code: 1 or 2 */
} systolab_matrix;

/* ---- Dot products in order, register tiled ------------------------------------------------- */

/* The Float32 accumulator: product rounded, every sum rounded.  NaN bits are the processor's. */
int32_t systolab_dot_float32(systolab_matrix a, const float *table_a, systolab_matrix w,
                             const float *table_w, size_t m, size_t k, size_t n, size_t group,
                             float *out);

/* The Saturate accumulator: integers in binary64, every sum clamped to [low, high].  Right where
 * both limits are below 2^52 in magnitude and every product lies between them. */
int32_t systolab_dot_saturate(systolab_matrix a, const double *table_a, systolab_matrix w,
                              const double *table_w, size_t m, size_t k, size_t n,
                              size_t group, double low, double high, double *out);

/* A binary floating-point or fixed-point format as a rounding: to nearest even, to `fraction`
 * bits below the exponent of the value, which counts as at least `least`; then what exceeds the
 * finite limits is replaced. */
typedef struct {
    double low, high;    /* finite limits */
    double below, above; /* what lies beyond them becomes */
    int32_t least, most; /* exponents of the smallest normal and the largest finite value */
    int32_t fraction;
} systolab_rounding;

/* The Float accumulator: every product and every sum rounded, a zero is +0.  Right where every
 * product of table entries is exact in the carrier, the carrier has at least 2p + 2 bits for a
 * format of p = fraction + 1, and `most` + its fraction bits - `fraction` is an exponent of it. */
int32_t systolab_dot_round32(systolab_matrix a, const float *table_a, systolab_matrix w,
                             const float *table_w, size_t m, size_t k, size_t n, size_t group,
                             const systolab_rounding *rounding, float *out);
int32_t systolab_dot_round64(systolab_matrix a, const double *table_a, systolab_matrix w,
                             const double *table_w, size_t m, size_t k, size_t n, size_t group,
                             const systolab_rounding *rounding, double *out);

/* The Float accumulator of any format up to 8 bits, by tables of codes [256][256]: the code of
 * a * w at product[a][w], that of s + p at sum[s][p].  Both widths are 1; `out` is codes. */
int32_t systolab_dot_table(systolab_matrix a, systolab_matrix w, size_t m, size_t k, size_t n,
                           size_t group, const uint8_t *product, const uint8_t *sum,
                           uint8_t zero, uint8_t *out);

/* ---- Values and codes ---------------------------------------------------------------------- */

/* out[rows][columns] = table[code] */
void systolab_decode_binary32(systolab_matrix codes, size_t rows, size_t columns,
                              const float *table, float *out);
void systolab_decode_binary64(systolab_matrix codes, size_t rows, size_t columns,
                              const double *table, double *out);

/* Whether marks[code] is nonzero for any code. */
int32_t systolab_any_marked(systolab_matrix codes, size_t rows, size_t columns,
                            const uint8_t *marks);

/* Replaces `count` doubles by int64: the integer, shifted up and then (arithmetically) down. */
void systolab_wrap_in_place(void *values, size_t count, int32_t up, int32_t down);

/* The projection of a binary floating-point or fixed-point format to nearest even.  Magnitudes are
 * binary32 bit patterns without the sign; pairs are for positive and for negative values. */
typedef struct {
    uint32_t shift, half;    /* fraction bits of binary32 to drop, 2^(shift - 1) */
    uint32_t offset;         /* from shifted binary32 bits to codes */
    uint32_t normal;         /* smallest magnitude to which these three apply */
    float lift;              /* below: 2^23 quanta, to round to a multiple of one, */
    uint32_t lift_bits;      /*   and its bits; or both 0, and then */
    uint32_t least;          /*   magnitudes from this one */
    uint32_t least_code;     /*   have this code, smaller ones 0 */
    uint32_t negative_zero;  /* code of negative values that round to zero */
    uint32_t negate_xor, negate_add, mask; /* negative code = ((code ^ xor) + add) & mask */
    uint32_t high[2], high_code[2];        /* magnitudes from `high` have this code */
    uint32_t infinity_code[2], nan_code;
} systolab_binary_encoder;

void systolab_encode_binary8(const float *x, size_t count,
                             const systolab_binary_encoder *encoder, uint8_t *out);
void systolab_encode_binary16(const float *x, size_t count,
                              const systolab_binary_encoder *encoder, uint16_t *out);

/* Codes by the upper 16 bits of a binary32 and whether the lower 16 are nonzero: 2^17 entries. */
void systolab_encode_lookup8(const float *x, size_t count, const uint8_t *codes, uint8_t *out);
void systolab_encode_lookup16(const float *x, size_t count, const uint16_t *codes,
                              uint16_t *out);

/* Any projection: codes[number of keys <= key(x)], key(x) = bits ^ (sign ? ~0 : 2^31).  The keys
 * ascend; first[i] is the number of keys below i << 16, for i <= 2^16. */
void systolab_encode_search(const float *x, size_t count, const uint32_t *keys,
                            const uint32_t *first, const uint16_t *codes, uint16_t nan_code,
                            uint16_t *out);

/* Binary64 to binary32 by rounding to odd: inexact results have their last bit set, so that a
 * later projection with coarser thresholds is that of the exact value. */
void systolab_round_odd(const double *x, size_t count, float *out);

/* The same for the binary64 quotients x / divisor. */
void systolab_divide_odd(const float *x, size_t count, double divisor, float *out);

/* ---- Post-processing ----------------------------------------------------------------------- */

/* out = clamp(acc * scale[column] + bias[column]), each step rounded to binary32; an integer
 * accumulator, in units of `unit` (a power of two), is first rounded once to binary32. */
void systolab_postprocess_binary32(const float *acc, size_t rows, size_t columns,
                                   const float *scale, const float *bias, float low,
                                   float high, float *out);
void systolab_postprocess_int64(const int64_t *acc, double unit, size_t rows, size_t columns,
                                const float *scale, const float *bias, float low, float high,
                                float *out);

/* ---- Berkeley SoftFloat, through pointers to its functions -------------------------------- */

/* float32_t is a struct of one uint32_t: on the supported ABIs it travels like the integer. */
typedef struct {
    uint32_t v;
} systolab_f32;
typedef struct {
    uint64_t v;
} systolab_f64;
typedef systolab_f32 (*systolab_f32_op)(systolab_f32, systolab_f32);

/* SoftFloat's functions of these names. */
typedef struct {
    systolab_f32_op f32_mul, f32_add;
    bool (*f32_lt)(systolab_f32, systolab_f32);
    systolab_f64 (*i64_to_f64)(int64_t);
    systolab_f64 (*f64_mul)(systolab_f64, systolab_f64);
    systolab_f32 (*f64_to_f32)(systolab_f64);
} systolab_softfloat;

/* out[i] = op(x[i], y[i]) for i < count, on bit patterns. */
void systolab_map_binary32(systolab_f32_op op, const uint32_t *x, const uint32_t *y,
                           uint32_t *out, size_t count);

/* The Float32 accumulator: product = mul(a, w), every sum by add. */
int32_t systolab_dot_softfloat(const systolab_softfloat *softfloat, systolab_matrix a,
                               const float *table_a, systolab_matrix w, const float *table_w,
                               size_t m, size_t k, size_t n, size_t group, float *out);

/* out = x * unit, one rounding to binary32; unit is a power of two, `unit` * 2048 a binary64. */
void systolab_integers_softfloat(const systolab_softfloat *softfloat, const int64_t *x,
                                 size_t count, double unit, uint32_t *out);

/* out = clamp(x * scale[column] + bias[column]), see below; on bit patterns. */
void systolab_postprocess_softfloat(const systolab_softfloat *softfloat, const uint32_t *x,
                                    size_t rows, size_t columns, const uint32_t *scale,
                                    const uint32_t *bias, uint32_t low, uint32_t high,
                                    uint32_t *out);

#ifdef __cplusplus
}
#endif

#endif

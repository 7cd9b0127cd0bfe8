/* Rounding to a narrower binary format after each operation, in a wider carrier.
 *
 * Adding and subtracting 1.5 * 2^(e + carrier precision - 1 - m), e the exponent of the value (at
 * least that of the smallest normal), rounds to m fraction bits, to nearest even; the result of a
 * zero is +0.  The caller proves that the carrier is wide enough not to round twice.  Parameters
 * are fields of systolab_rounding, see systolab.h. */

#define CONSTANTS(p)                                                                           \
    const VECTOR high = (VECTOR){0} + (SCALAR)(p)->high;                                       \
    const VECTOR low = (VECTOR){0} + (SCALAR)(p)->low;                                         \
    const VECTOR above = (VECTOR){0} + (SCALAR)(p)->above;                                     \
    const VECTOR below = (VECTOR){0} + (SCALAR)(p)->below;                                     \
    const MASK exponent = (MASK){0} + ((LANE)EXPONENT_MASK << FRACTION_BITS);                  \
    const MASK least = (MASK){0} + ((LANE)((p)->least + BIAS) << FRACTION_BITS);               \
    const MASK most = (MASK){0} + ((LANE)((p)->most + BIAS) << FRACTION_BITS);                 \
    const MASK lift = (MASK){0} + (((LANE)(FRACTION_BITS - (p)->fraction) << FRACTION_BITS) |  \
                                   ((LANE)1 << (FRACTION_BITS - 1)));
#define ROUND(x)                                                                               \
    ({                                                                                         \
        const VECTOR value = (x);                                                              \
        MASK power = (MASK)value & exponent;                                                   \
        power = (MASK)WHERE(power < least, least, power);                                      \
        power = (MASK)WHERE(power > most, most, power);                                        \
        const VECTOR magic = (VECTOR)(power + lift);                                           \
        VECTOR rounded = (value + magic) - magic;                                              \
        rounded = WHERE(rounded > high, above, rounded);                                       \
        WHERE(rounded < low, below, rounded);                                                  \
    })
#define PARAMETERS systolab_rounding
#define MULTIPLY(a, w) ROUND((a) * (w))
#define ADD(s, p) ROUND((s) + (p))
#define FUNCTION dot
#include "targets.h"

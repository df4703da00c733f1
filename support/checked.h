/* Checked arithmetic: sizes are int64_t and their products may not wrap. */
#ifndef DNNC_SUPPORT_CHECKED_H
#define DNNC_SUPPORT_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

/* True and *out on success; false when the result does not fit. */
static inline bool mul_i64(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

static inline bool add_i64(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

/* Both positive; rounds up. */
static inline int64_t ceil_div_i64(int64_t a, int64_t b)
{
    return a / b + (a % b != 0);
}

static inline int64_t round_up_i64(int64_t a, int64_t unit)
{
    return ceil_div_i64(a, unit) * unit;
}

static inline int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

#endif

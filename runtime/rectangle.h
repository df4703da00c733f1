/* Rectangles of dense row-major arrays.
 *
 * Everything that moves blocks (inputs, messages, checkpoints) walks one
 * rectangle in two arrays at once: where a block lies in the whole and where it
 * lies in memory.
 */
#ifndef DNNC_RUNTIME_RECTANGLE_H
#define DNNC_RUNTIME_RECTANGLE_H

#include "ir/type.h"
#include "support/status.h"

/* A rectangle's place in an array: its first index in each dimension (NULL:
 * the origin). */
typedef struct RectanglePlace {
    const Shape *shape;
    const int64_t *begin;
} RectanglePlace;

/* Calls `visit` for each run of elements that is contiguous in both arrays, in
 * order: `at_a` and `at_b` are its first element in each, `count` its length.
 * Both shapes have the rectangle's rank; `length` has an entry a dimension.
 * Stops at the first error. */
typedef Status RectangleVisit(void *context, int64_t at_a, int64_t at_b,
                              int64_t count);
Status rectangle_runs(const int64_t *length, RectanglePlace a, RectanglePlace b,
                      RectangleVisit *visit, void *context) MUST_USE;

/* Elements of the rectangle. */
int64_t rectangle_count(int32_t rank, const int64_t *length);

/* Copies the rectangle of `array` (4-byte elements) to the dense `packed`, and
 * back. */
void rectangle_pack(const int64_t *length, RectanglePlace place,
                    const void *array, void *packed);
void rectangle_unpack(const int64_t *length, RectanglePlace place,
                      const void *packed, void *array);

#endif

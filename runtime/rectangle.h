/* Rectangles of dense row-major arrays of 4-byte elements. */
#ifndef DNNC_RUNTIME_RECTANGLE_H
#define DNNC_RUNTIME_RECTANGLE_H

#include "ir/type.h"

/* Calls `visit` for every maximal run of the rectangle [begin, begin + length)
 * of an array of `shape`, in order: `at` is the run's first element in the
 * array, `within` its first in the packed rectangle, `count` its length. */
typedef void RectangleVisit(void *context, int64_t at, int64_t within,
                            int64_t count);
void rectangle_runs(const Shape *shape, const int64_t *begin,
                    const int64_t *length, RectangleVisit *visit,
                    void *context);

/* Elements of the rectangle. */
int64_t rectangle_count(int32_t rank, const int64_t *length);

/* Copies the rectangle of `array` to `packed`, and back. */
void rectangle_pack(const Shape *shape, const int64_t *begin,
                    const int64_t *length, const void *array, void *packed);
void rectangle_unpack(const Shape *shape, const int64_t *begin,
                      const int64_t *length, const void *packed, void *array);

#endif

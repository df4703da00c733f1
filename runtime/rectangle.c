/* Walking rectangles: trailing dimensions that are whole join into one run. */
#include "runtime/rectangle.h"

#include <string.h>

int64_t rectangle_count(int32_t rank, const int64_t *length)
{
    int64_t count = 1;
    for (int32_t d = 0; d < rank; d++)
        count *= length[d];
    return count;
}

void rectangle_runs(const Shape *shape, const int64_t *begin,
                    const int64_t *length, RectangleVisit *visit, void *context)
{
    int64_t stride[RANK_MAX];
    int64_t elements = 1;
    for (int32_t d = shape->rank - 1; d >= 0; d--) {
        stride[d] = elements;
        elements *= shape->extent[d];
    }
    /* Dimensions [outer, rank) make a run. */
    int32_t outer = shape->rank;
    int64_t run = 1;
    while (outer > 0) {
        outer--;
        run *= length[outer];
        if (length[outer] != shape->extent[outer])
            break;
    }
    int64_t total = rectangle_count(shape->rank, length);
    int64_t index[RANK_MAX] = {0};
    for (int64_t within = 0; within < total; within += run) {
        int64_t at = 0;
        for (int32_t d = 0; d < shape->rank; d++)
            at += (begin[d] + index[d]) * stride[d];
        visit(context, at, within, run);
        int32_t d = outer - 1;
        while (d >= 0 && ++index[d] == length[d])
            index[d--] = 0;
    }
}

/* Where a run is copied from and to. */
typedef struct Copy {
    char *array, *packed;
    bool pack;
} Copy;

static void copy_run(void *context, int64_t at, int64_t within, int64_t count)
{
    const Copy *copy = context;
    char *array = copy->array + at * 4, *packed = copy->packed + within * 4;
    memcpy(copy->pack ? packed : array, copy->pack ? array : packed,
           (size_t)count * 4);
}

/* The side that is only read loses its const here and is never written. */
static char *mutable_bytes(const void *bytes)
{
    char *result;
    memcpy(&result, &bytes, sizeof(result));
    return result;
}

void rectangle_pack(const Shape *shape, const int64_t *begin,
                    const int64_t *length, const void *array, void *packed)
{
    Copy copy = {mutable_bytes(array), packed, true};
    rectangle_runs(shape, begin, length, copy_run, &copy);
}

void rectangle_unpack(const Shape *shape, const int64_t *begin,
                      const int64_t *length, const void *packed, void *array)
{
    Copy copy = {array, mutable_bytes(packed), false};
    rectangle_runs(shape, begin, length, copy_run, &copy);
}

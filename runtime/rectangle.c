/* Walking rectangles: trailing dimensions that are whole in both arrays join
 * into one run. */
#include "runtime/rectangle.h"

#include <string.h>

int64_t rectangle_count(int32_t rank, const int64_t *length)
{
    int64_t count = 1;
    for (int32_t d = 0; d < rank; d++)
        count *= length[d];
    return count;
}

/* The element at `index` of the rectangle. */
static int64_t element_at(RectanglePlace place, const int64_t *index)
{
    int64_t at = 0;
    for (int32_t d = 0; d < place.shape->rank; d++)
        at = at * place.shape->extent[d] + index[d] +
             (place.begin ? place.begin[d] : 0);
    return at;
}

Status rectangle_runs(const int64_t *length, RectanglePlace a, RectanglePlace b,
                      RectangleVisit *visit, void *context)
{
    int32_t rank = a.shape->rank;
    int32_t outer = rank; /* dimensions [outer, rank) make a run */
    int64_t run = 1;
    while (outer > 0) {
        outer--;
        run *= length[outer];
        if (length[outer] != a.shape->extent[outer] ||
            length[outer] != b.shape->extent[outer])
            break;
    }
    int64_t runs = rectangle_count(outer, length);
    int64_t index[RANK_MAX] = {0};
    for (int64_t i = 0; i < runs && run > 0; i++) {
        TRY(visit(context, element_at(a, index), element_at(b, index), run));
        int32_t d = outer - 1;
        while (d >= 0 && ++index[d] == length[d])
            index[d--] = 0;
    }
    return status_ok();
}

/* What a copied run goes between. */
typedef struct Copy {
    const char *from;
    char *to;
} Copy;

enum { ELEMENT_BYTES = 4 };

static Status copy_run(void *context, int64_t from, int64_t to, int64_t count)
{
    const Copy *copy = context;
    memcpy(copy->to + to * ELEMENT_BYTES, copy->from + from * ELEMENT_BYTES,
           (size_t)(count * ELEMENT_BYTES));
    return status_ok();
}

static Shape dense_shape(int32_t rank, const int64_t *length)
{
    Shape shape = {.rank = rank};
    memcpy(shape.extent, length, (size_t)rank * sizeof(int64_t));
    return shape;
}

void rectangle_pack(const int64_t *length, RectanglePlace place,
                    const void *array, void *packed)
{
    Shape dense = dense_shape(place.shape->rank, length);
    Copy copy = {array, packed};
    Status always_ok = rectangle_runs(
        length, place, (RectanglePlace){&dense, NULL}, copy_run, &copy);
    (void)always_ok;
}

void rectangle_unpack(const int64_t *length, RectanglePlace place,
                      const void *packed, void *array)
{
    Shape dense = dense_shape(place.shape->rank, length);
    Copy copy = {packed, array};
    Status always_ok = rectangle_runs(length, (RectanglePlace){&dense, NULL},
                                      place, copy_run, &copy);
    (void)always_ok;
}

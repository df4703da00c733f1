/* VECTOR(T): a growing array in an arena, valid when zeroed.
 *
 *     VECTOR(NodeId) order = {0};
 *     *vector_push(arena, &order) = id;
 *     for (int64_t i = 0; i < order.count; i++) use(order.data[i]);
 *
 * Pointers into a vector do not survive a push; indices do.
 */
#ifndef DNNC_SUPPORT_VECTOR_H
#define DNNC_SUPPORT_VECTOR_H

#include "support/arena.h"

#include <stdint.h>

#define VECTOR(T)                                                             \
    struct {                                                                  \
        T *data;                                                              \
        int64_t count, capacity;                                              \
    }

/* Room for one more element; a pointer to it, zeroed. */
#define vector_push(arena, v)                                                 \
    ((v)->count == (v)->capacity                                              \
         ? (void)((v)->data = vector_grow((arena), (v)->data, (v)->count,     \
                                          &(v)->capacity,                     \
                                          (int64_t)sizeof(*(v)->data)))       \
         : (void)0,                                                           \
     &(v)->data[(v)->count++])

void *vector_grow(Arena *arena, const void *data, int64_t count,
                  int64_t *capacity, int64_t element_bytes);

#endif

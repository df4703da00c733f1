/* Map: from string to int64_t, iterated in insertion order.
 *
 * Valid when zeroed.  The hash decides only where an entry is found, never the
 * order in which anything happens.  Keys are borrowed.
 */
#ifndef DNNC_SUPPORT_MAP_H
#define DNNC_SUPPORT_MAP_H

#include "support/text.h"
#include "support/vector.h"

typedef struct MapEntry {
    Str key;
    int64_t value;
} MapEntry;

typedef struct Map {
    VECTOR(MapEntry) entries; /* in insertion order */
    int64_t *slots;           /* index + 1 into entries, 0 is empty */
    int64_t n_slots;          /* a power of two */
} Map;

/* The value of `key`, or NULL.  Valid until the next insertion. */
int64_t *map_find(const Map *map, Str key);
/* Inserts unless present; returns the (new or old) value's place and says in
 * `*inserted` (may be NULL) which. */
int64_t *map_insert(Arena *arena, Map *map, Str key, int64_t value,
                    bool *inserted);

#endif

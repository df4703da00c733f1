/* Map: open addressing beside an array of entries in insertion order. */
#include "support/map.h"

#include <stddef.h>

static int64_t map_slot(const Map *map, Str key)
{
    int64_t mask = map->n_slots - 1;
    int64_t slot = (int64_t)(str_hash(key) >> 1) & mask;
    while (map->slots[slot] &&
           !str_equal(map->entries.data[map->slots[slot] - 1].key, key))
        slot = (slot + 1) & mask;
    return slot;
}

int64_t *map_find(const Map *map, Str key)
{
    if (map->n_slots == 0)
        return NULL;
    int64_t found = map->slots[map_slot(map, key)];
    return found ? &map->entries.data[found - 1].value : NULL;
}

int64_t *map_insert(Arena *arena, Map *map, Str key, int64_t value,
                    bool *inserted)
{
    int64_t *old = map_find(map, key);
    if (inserted)
        *inserted = !old;
    if (old)
        return old;
    if ((map->entries.count + 1) * 2 > map->n_slots) {
        map->n_slots = map->n_slots ? map->n_slots * 2 : 16;
        map->slots = arena_new(arena, int64_t, map->n_slots);
        for (int64_t i = 0; i < map->entries.count; i++)
            map->slots[map_slot(map, map->entries.data[i].key)] = i + 1;
    }
    int64_t slot = map_slot(map, key);
    *vector_push(arena, &map->entries) = (MapEntry){key, value};
    map->slots[slot] = map->entries.count;
    return &map->entries.data[map->entries.count - 1].value;
}

/* Reshard: Dijkstra over the shardings of a value.
 *
 * The space is small (each axis is in one of rank + 2 states), so the search
 * scans it plainly.  Ties are broken by the number of steps, then by the order
 * in which steps are tried.
 */
#include "passes/reshard.h"

#include "support/map.h"
#include "support/vector.h"

#include <math.h>
#include <string.h>

const char *reshard_kind_name(ReshardKind kind)
{
    static const char *const NAMES[RESHARD_KIND_COUNT] = {
        "accumulate",     "slice",      "to_partial", "all_gather",
        "reduce_scatter", "all_reduce", "all_to_all", "permute",
    };
    return NAMES[kind];
}

/* -- prices ---------------------------------------------------------------- */

/* Bytes one device sends in a ring over `size` members, given the bytes of a
 * device's block before and after the step. */
static double ring_bytes(ReshardKind kind, double size, double before,
                         double after)
{
    double share = (size - 1) / size;
    switch (kind) {
    case RESHARD_ALL_GATHER: return share * after;
    case RESHARD_REDUCE_SCATTER: return share * before;
    case RESHARD_ALL_TO_ALL: return share * before;
    case RESHARD_ALL_REDUCE: return 2 * share * before;
    case RESHARD_PERMUTE: return before;
    default: return 0;
    }
}

static double ring_hops(ReshardKind kind, double size)
{
    switch (kind) {
    case RESHARD_ALL_GATHER:
    case RESHARD_REDUCE_SCATTER:
    case RESHARD_ALL_TO_ALL: return size - 1;
    case RESHARD_ALL_REDUCE: return 2 * (size - 1);
    case RESHARD_PERMUTE: return 1;
    default: return 0;
    }
}

static double step_bytes(const LogicalMesh *mesh, const Type *type,
                         const Sharding *before, const ReshardStep *step)
{
    return ring_bytes(step->kind, (double)mesh->axis[step->axis].size,
                      (double)sharding_local_bytes(mesh, type, before),
                      (double)sharding_local_bytes(mesh, type, &step->after));
}

int64_t reshard_step_bytes(const LogicalMesh *mesh, const Type *type,
                           const Sharding *before, const ReshardStep *step)
{
    return (int64_t)ceil(step_bytes(mesh, type, before, step));
}

static double axis_seconds(const LogicalAxis *axis, double hops, double bytes)
{
    return hops * axis->latency_seconds +
           (bytes > 0 ? bytes / axis->bandwidth_bytes_per_second : 0);
}

int64_t reshard_step_nanoseconds(const LogicalMesh *mesh, const Type *type,
                                 const Sharding *before,
                                 const ReshardStep *step)
{
    const LogicalAxis *axis = &mesh->axis[step->axis];
    double bytes = step_bytes(mesh, type, before, step);
    double hops = ring_hops(step->kind, (double)axis->size);
    double seconds = axis_seconds(axis, hops, bytes);
    if (step->kind == RESHARD_PERMUTE)
        seconds =
            fmax(seconds, axis_seconds(&mesh->axis[step->axis2], hops, bytes));
    return llround(seconds * 1e9);
}

/* -- the search ------------------------------------------------------------ */

typedef struct Place {
    Sharding sharding;
    int64_t nanoseconds;
    int32_t n_steps;
    int32_t from; /* the place before, -1 for the start */
    bool done;
    ReshardStep step; /* that led here */
} Place;

/* All places that can be reached from one sharding of one type. */
typedef struct Reach {
    Type type;
    VECTOR(Place) places; /* the first is where it starts */
} Reach;

typedef struct Search {
    const LogicalMesh *mesh;
    Arena *arena;
    Reach *reach;
    int32_t at; /* the place being left */
} Search;

static int32_t find_place(const Reach *reach, const Sharding *sharding)
{
    for (int32_t i = 0; i < reach->places.count; i++)
        if (sharding_equal(&reach->places.data[i].sharding, sharding))
            return i;
    return -1;
}

static bool is_better(const Place *a, const Place *b)
{
    if (a->nanoseconds != b->nanoseconds)
        return a->nanoseconds < b->nanoseconds;
    return a->n_steps < b->n_steps;
}

/* Tries one step from the current place. */
static void relax(Search *search, ReshardStep step)
{
    Reach *reach = search->reach;
    if (step.after.partial == 0)
        step.after.operator= 0;
    if (!sharding_fits(search->mesh, &reach->type.shape, &step.after))
        return;
    const Place *here = &reach->places.data[search->at];
    Place there = {
        .sharding = step.after,
        .nanoseconds = here->nanoseconds +
                       reshard_step_nanoseconds(search->mesh, &reach->type,
                                                &here->sharding, &step),
        .n_steps = here->n_steps + 1,
        .from = search->at,
        .step = step,
    };
    int32_t known = find_place(reach, &there.sharding);
    if (known < 0)
        *vector_push(search->arena, &reach->places) = there;
    else if (is_better(&there, &reach->places.data[known]))
        reach->places.data[known] = there;
}

/* The axis may be the next to split the dimension: blocks nest in order. */
static bool is_minor(uint8_t mask, int32_t axis)
{
    return mask >> axis == 0;
}

/* The axis is the last that splits the dimension. */
static bool is_last(uint8_t mask, int32_t axis)
{
    return mask >> axis == 1;
}

/* Steps that give dimension `dim` the axis, which is in no dimension now. */
static void try_split(Search *search, Sharding s, int32_t axis, int32_t dim)
{
    uint8_t bit = (uint8_t)(1 << axis);
    if (!is_minor(s.axes[dim], axis))
        return;
    ReshardStep step = {
        .kind = s.partial & bit ? RESHARD_REDUCE_SCATTER : RESHARD_SLICE,
        .axis = axis,
        .dim = dim,
        .after = s,
    };
    step.after.partial &= (uint8_t)~bit;
    step.after.axes[dim] |= bit;
    relax(search, step);
}

/* Steps that take the axis from dimension `dim`, to nowhere or another. */
static void try_unsplit(Search *search, Sharding s, int32_t axis, int32_t dim)
{
    if (!is_last(s.axes[dim], axis))
        return;
    uint8_t bit = (uint8_t)(1 << axis);
    s.axes[dim] &= (uint8_t)~bit;
    relax(search, (ReshardStep){RESHARD_ALL_GATHER, axis, 0, dim, 0, s});
    for (int32_t to = 0; to < search->reach->type.shape.rank; to++) {
        if (to == dim || !is_minor(s.axes[to], axis))
            continue;
        Sharding moved = s;
        moved.axes[to] |= bit;
        relax(search,
              (ReshardStep){RESHARD_ALL_TO_ALL, axis, 0, dim, to, moved});
    }
}

static uint8_t swap_bits(uint8_t mask, int32_t a, int32_t b)
{
    uint8_t differ = (uint8_t)((mask >> a ^ mask >> b) & 1);
    return (uint8_t)(mask ^ (differ << a | differ << b));
}

/* The order of nesting must survive the exchange: what splits a dimension
 * beside one of the two axes may not lie between them. */
static bool swap_keeps_order(uint8_t mask, int32_t a, int32_t b)
{
    uint8_t both = (uint8_t)(1 << a | 1 << b);
    uint8_t between = (uint8_t)((1 << b) - (1 << (a + 1)));
    return (mask & both) == 0 || (mask & (both | between)) == (1 << a) ||
           (mask & (both | between)) == (1 << b);
}

static void try_permute(Search *search, Sharding s, int32_t a, int32_t b)
{
    if (search->mesh->axis[a].size != search->mesh->axis[b].size)
        return;
    ReshardStep step = {.kind = RESHARD_PERMUTE, .axis = a, .axis2 = b};
    step.after = s;
    step.after.partial = swap_bits(s.partial, a, b);
    for (int32_t dim = 0; dim < RANK_MAX; dim++) {
        if (!swap_keeps_order(s.axes[dim], a, b))
            return;
        step.after.axes[dim] = swap_bits(s.axes[dim], a, b);
    }
    relax(search, step);
}

static void try_unpartial(Search *search, Sharding s, int32_t axis)
{
    s.partial &= (uint8_t)~(1 << axis);
    relax(search, (ReshardStep){RESHARD_ALL_REDUCE, axis, 0, 0, 0, s});
}

static void try_to_partial(Search *search, Sharding s, int32_t axis)
{
    if (search->reach->type.dtype != DTYPE_F32 || s.operator!= REDUCE_SUM)
        return;
    s.partial |= (uint8_t)(1 << axis);
    relax(search, (ReshardStep){RESHARD_TO_PARTIAL, axis, 0, 0, 0, s});
}

static void leave_axis(Search *search, const Sharding *s, int32_t axis)
{
    uint8_t bit = (uint8_t)(1 << axis);
    int32_t rank = search->reach->type.shape.rank;
    if (sharding_split_axes(s) & bit) {
        for (int32_t dim = 0; dim < rank; dim++)
            try_unsplit(search, *s, axis, dim);
        return;
    }
    for (int32_t dim = 0; dim < rank; dim++)
        try_split(search, *s, axis, dim);
    if (s->partial & bit)
        try_unpartial(search, *s, axis);
    else
        try_to_partial(search, *s, axis);
}

/* Time is sliced or accumulated, and only from the start. */
static void leave_time(Search *search, const Sharding *s)
{
    if (search->at == 0 && s->partial & AXIS_MASK_TIME) {
        ReshardStep step = {.kind = RESHARD_ACCUMULATE, .after = *s};
        step.after.partial &= (uint8_t)~AXIS_MASK_TIME;
        relax(search, step);
    }
    uint8_t used = (uint8_t)(sharding_split_axes(s) | s->partial);
    if (used & AXIS_MASK_TIME || search->mesh->axis[0].size == 1)
        return;
    for (int32_t dim = 0; dim < search->reach->type.shape.rank; dim++)
        try_split(search, *s, AXIS_MICROBATCH, dim);
}

static void leave(Search *search)
{
    Sharding s = search->reach->places.data[search->at].sharding;
    leave_time(search, &s);
    for (int32_t axis = 1; axis < search->mesh->n_axes; axis++) {
        leave_axis(search, &s, axis);
        for (int32_t other = axis + 1; other < search->mesh->n_axes; other++)
            try_permute(search, s, axis, other);
    }
}

static int32_t nearest(const Reach *reach)
{
    int32_t best = -1;
    for (int32_t i = 0; i < reach->places.count; i++)
        if (!reach->places.data[i].done &&
            (best < 0 ||
             is_better(&reach->places.data[i], &reach->places.data[best])))
            best = i;
    return best;
}

static void search_from(const LogicalMesh *mesh, Reach *reach,
                        const Sharding *from, Arena *arena)
{
    Search search = {mesh, arena, reach, 0};
    *vector_push(arena, &reach->places) =
        (Place){.sharding = *from, .from = -1};
    while ((search.at = nearest(reach)) >= 0) {
        reach->places.data[search.at].done = true;
        leave(&search);
    }
}

/* -- answers --------------------------------------------------------------- */

struct Resharder {
    Arena *arena;
    LogicalMesh mesh;
    VECTOR(Reach) reaches;
    Map numbers; /* bytes of a ReachKey -> reaches */
};

/* No padding, so that equal keys are equal bytes. */
typedef struct ReachKey {
    int64_t dtype, rank, extent[RANK_MAX];
    Sharding from;
    uint8_t unused[16 - sizeof(Sharding)];
} ReachKey;

Resharder *resharder_new(Arena *arena, const LogicalMesh *mesh)
{
    Resharder *resharder = arena_new(arena, Resharder, 1);
    resharder->arena = arena;
    resharder->mesh = *mesh;
    return resharder;
}

static const Reach *reach_of(Resharder *resharder, const Type *type,
                             const Sharding *from)
{
    ReachKey key = {type->dtype, type->shape.rank, {0}, *from, {0}};
    memcpy(key.extent, type->shape.extent, sizeof key.extent);
    Str bytes = {(const char *)&key, sizeof key};
    int64_t *number = map_find(&resharder->numbers, bytes);
    if (number)
        return &resharder->reaches.data[*number];
    Reach *reach = vector_push(resharder->arena, &resharder->reaches);
    reach->type = *type;
    search_from(&resharder->mesh, reach, from, resharder->arena);
    map_insert(resharder->arena, &resharder->numbers,
               str_copy(resharder->arena, bytes), resharder->reaches.count - 1,
               NULL);
    return reach;
}

void reshard_prices(Resharder *resharder, const Type *type,
                    const Sharding *from, const Sharding *to, int32_t n,
                    int64_t *price)
{
    const Reach *reach = reach_of(resharder, type, from);
    for (int32_t i = 0; i < n; i++) {
        int32_t at = find_place(reach, &to[i]);
        price[i] =
            at < 0 ? RESHARD_IMPOSSIBLE : reach->places.data[at].nanoseconds;
    }
}

int64_t reshard_nanoseconds(Resharder *resharder, const Type *type,
                            const Sharding *from, const Sharding *to)
{
    int64_t price = 0;
    if (!sharding_equal(from, to))
        reshard_prices(resharder, type, from, to, 1, &price);
    return price;
}

int64_t reshard_path(const LogicalMesh *mesh, const Type *type,
                     const Sharding *from, const Sharding *to, Arena *arena,
                     ReshardStep **steps)
{
    Reach reach = {.type = *type};
    search_from(mesh, &reach, from, arena);
    int32_t at = find_place(&reach, to);
    if (at < 0)
        return -1;
    int32_t count = reach.places.data[at].n_steps;
    *steps = arena_new(arena, ReshardStep, count);
    for (int32_t i = count - 1; i >= 0; i--) {
        (*steps)[i] = reach.places.data[at].step;
        at = reach.places.data[at].from;
    }
    return count;
}

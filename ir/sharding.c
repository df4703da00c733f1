/* Sharding: blocks of values on a logical mesh, and their text.
 *
 * sharding_local_range is the one function that knows uneven extents; blocks
 * of several axes nest, so cutting a block again is always local.
 */
#include "ir/sharding.h"

#include "support/checked.h"

#include <assert.h>
#include <string.h>

static bool in_mask(uint8_t mask, int32_t axis)
{
    return mask >> axis & 1;
}

int64_t mesh_devices(const LogicalMesh *mesh)
{
    return mesh_axes_size(mesh, (uint8_t)~AXIS_MASK_TIME);
}

int64_t mesh_axes_size(const LogicalMesh *mesh, uint8_t mask)
{
    int64_t size = 1;
    for (int32_t axis = 0; axis < mesh->n_axes; axis++)
        if (in_mask(mask, axis))
            size *= mesh->axis[axis].size;
    return size;
}

bool mesh_same_axes(const LogicalMesh *a, const LogicalMesh *b)
{
    bool same = a->n_axes == b->n_axes;
    for (int32_t axis = 1; same && axis < a->n_axes; axis++)
        same = a->axis[axis].size == b->axis[axis].size;
    return same;
}

void mesh_coordinates(const LogicalMesh *mesh, int64_t device,
                      int64_t *coordinates)
{
    for (int32_t axis = mesh->n_axes - 1; axis > AXIS_MICROBATCH; axis--) {
        coordinates[axis] = device % mesh->axis[axis].size;
        device /= mesh->axis[axis].size;
    }
}

int64_t mesh_device(const LogicalMesh *mesh, const int64_t *coordinates)
{
    return mesh_group_index(mesh, (uint8_t)~AXIS_MASK_TIME, coordinates);
}

int64_t mesh_group_index(const LogicalMesh *mesh, uint8_t mask,
                         const int64_t *coordinates)
{
    int64_t index = 0;
    for (int32_t axis = 0; axis < mesh->n_axes; axis++)
        if (in_mask(mask, axis))
            index = index * mesh->axis[axis].size + coordinates[axis];
    return index;
}

bool sharding_equal(const Sharding *a, const Sharding *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

uint8_t sharding_split_axes(const Sharding *s)
{
    uint8_t mask = 0;
    for (int dim = 0; dim < RANK_MAX; dim++)
        mask |= s->axes[dim];
    return mask;
}

/* ceil(ceil(n / a) / b) == ceil(n / (a b)), so nesting is one division. */
int64_t sharding_block(const LogicalMesh *mesh, int64_t extent, uint8_t mask)
{
    return ceil_div_i64(extent, mesh_axes_size(mesh, mask));
}

void sharding_local_range(const LogicalMesh *mesh, int64_t extent, uint8_t mask,
                          const int64_t *coordinates, int64_t *start,
                          int64_t *length)
{
    *start = 0;
    *length = extent;
    int64_t block = extent;
    for (int32_t axis = 0; axis < mesh->n_axes; axis++) {
        if (!in_mask(mask, axis))
            continue;
        block = ceil_div_i64(block, mesh->axis[axis].size);
        int64_t skip = coordinates[axis] * block;
        *start += skip;
        *length = max_i64(0, min_i64(block, *length - skip));
    }
}

Shape sharding_local_shape(const LogicalMesh *mesh, const Shape *shape,
                           const Sharding *s)
{
    Shape local = *shape;
    for (int dim = 0; dim < shape->rank; dim++)
        local.extent[dim] =
            sharding_block(mesh, shape->extent[dim], s->axes[dim]);
    return local;
}

int64_t sharding_local_bytes(const LogicalMesh *mesh, const Type *type,
                             const Sharding *s)
{
    Type local = {type->dtype, sharding_local_shape(mesh, &type->shape, s)};
    return type_bytes(&local);
}

/* Only the first axis of a dimension may cut unevenly: otherwise a short
 * block would lie in the middle and could not be told by its global index. */
static bool dim_fits(const LogicalMesh *mesh, int64_t extent, uint8_t mask)
{
    int64_t block = extent, parts = 1;
    for (int32_t axis = 0; axis < mesh->n_axes; axis++) {
        if (!in_mask(mask, axis))
            continue;
        int64_t size = mesh->axis[axis].size;
        bool may_be_uneven = parts == 1 && axis != AXIS_MICROBATCH;
        if (block % size != 0 && !may_be_uneven)
            return false;
        block = ceil_div_i64(block, size);
        parts *= size;
    }
    return block * parts <= extent + extent / 8;
}

bool sharding_fits(const LogicalMesh *mesh, const Shape *shape,
                   const Sharding *s)
{
    uint8_t used = s->partial;
    for (int dim = 0; dim < RANK_MAX; dim++) {
        uint8_t mask = s->axes[dim];
        if (mask == 0)
            continue;
        if (dim >= shape->rank || used & mask || mask >> mesh->n_axes)
            return false;
        used |= mask;
        if (!dim_fits(mesh, shape->extent[dim], mask))
            return false;
    }
    return s->partial >> mesh->n_axes == 0;
}

/* -- text ------------------------------------------------------------------ */

static const char *const REDUCE_NAMES[] = {"sum", "max", "min"};

static void print_mask(Text *text, const LogicalMesh *mesh, uint8_t mask)
{
    bool first = true;
    for (int32_t axis = 0; axis < mesh->n_axes; axis++) {
        if (!in_mask(mask, axis))
            continue;
        text_format(text, "%s%.*s", first ? "" : "*",
                    STR_ARG(mesh->axis[axis].name));
        first = false;
    }
}

Str sharding_print(Arena *arena, const LogicalMesh *mesh, int32_t rank,
                   const Sharding *s)
{
    Text text = text_new(arena);
    text_append(&text, STR("["));
    for (int32_t dim = 0; dim < rank; dim++) {
        text_append(&text, dim ? STR(", ") : STR(""));
        if (s->axes[dim])
            print_mask(&text, mesh, s->axes[dim]);
        else
            text_append(&text, STR("-"));
    }
    text_append(&text, STR("]"));
    if (s->partial) {
        text_append(&text, STR(" partial("));
        print_mask(&text, mesh, s->partial);
        text_format(&text, ", %s)", REDUCE_NAMES[s->operator]);
    }
    return text_str(&text);
}

/* What is left of the text, and whether all of it made sense so far. */
typedef struct Cursor {
    const char *at, *end;
    bool good;
} Cursor;

static bool accept(Cursor *cursor, const char *token)
{
    size_t length = strlen(token);
    while (cursor->at < cursor->end && *cursor->at == ' ')
        cursor->at++;
    if ((size_t)(cursor->end - cursor->at) < length ||
        memcmp(cursor->at, token, length) != 0)
        return false;
    cursor->at += length;
    return true;
}

static void expect(Cursor *cursor, const char *token)
{
    cursor->good = accept(cursor, token) && cursor->good;
}

static uint8_t parse_axis(Cursor *cursor, const LogicalMesh *mesh)
{
    accept(cursor, "");
    const char *begin = cursor->at;
    while (cursor->at < cursor->end && !strchr(" ,*])", *cursor->at))
        cursor->at++;
    Str name = {begin, cursor->at - begin};
    for (int32_t axis = 0; axis < mesh->n_axes; axis++)
        if (str_equal(name, mesh->axis[axis].name))
            return (uint8_t)(1 << axis);
    cursor->good = false;
    return 0;
}

/* "x*y", in the mesh's order. */
static uint8_t parse_mask(Cursor *cursor, const LogicalMesh *mesh)
{
    uint8_t mask = parse_axis(cursor, mesh);
    while (cursor->good && accept(cursor, "*")) {
        uint8_t next = parse_axis(cursor, mesh);
        cursor->good = cursor->good && next > mask;
        mask |= next;
    }
    return mask;
}

static uint8_t parse_operator(Cursor *cursor)
{
    for (uint8_t i = 0; i < 3; i++)
        if (accept(cursor, REDUCE_NAMES[i]))
            return i;
    cursor->good = false;
    return 0;
}

bool sharding_parse(Str text, const LogicalMesh *mesh, int32_t rank,
                    Sharding *out)
{
    Cursor cursor = {text.data, text.data + text.length, true};
    *out = (Sharding){0};
    expect(&cursor, "[");
    for (int32_t dim = 0; dim < rank && cursor.good; dim++) {
        if (dim)
            expect(&cursor, ",");
        if (!accept(&cursor, "-"))
            out->axes[dim] = parse_mask(&cursor, mesh);
    }
    expect(&cursor, "]");
    if (cursor.good && accept(&cursor, "partial")) {
        expect(&cursor, "(");
        out->partial = parse_mask(&cursor, mesh);
        expect(&cursor, ",");
        out->operator= parse_operator(&cursor);
        expect(&cursor, ")");
    }
    accept(&cursor, "");
    return cursor.good && cursor.at == cursor.end;
}

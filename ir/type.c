/* Type: spellings, sizes and equality of element types and shapes. */
#include "ir/type.h"

#include "support/checked.h"

#include <assert.h>

typedef struct DTypeInfo {
    const char *name;
    int64_t bytes;
} DTypeInfo;

static const DTypeInfo DTYPES[DTYPE_COUNT] = {
#define DTYPE_ROW(name, text, bytes) [DTYPE_##name] = {text, bytes},
    DTYPE_TABLE(DTYPE_ROW)
#undef DTYPE_ROW
};

const char *dtype_name(DType dtype)
{
    assert(dtype < DTYPE_COUNT);
    return DTYPES[dtype].name;
}

bool dtype_parse(Str text, DType *out)
{
    for (int32_t i = 0; i < DTYPE_COUNT; i++) {
        if (str_equal_c(text, DTYPES[i].name)) {
            *out = (DType)i;
            return true;
        }
    }
    return false;
}

int64_t dtype_bytes(DType dtype)
{
    assert(dtype < DTYPE_COUNT);
    return DTYPES[dtype].bytes;
}

bool shape_equal(const Shape *a, const Shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int32_t i = 0; i < a->rank; i++) {
        if (a->extent[i] != b->extent[i])
            return false;
    }
    return true;
}

bool shape_elements(const Shape *shape, int64_t *out)
{
    int64_t count = 1;
    for (int32_t i = 0; i < shape->rank; i++) {
        if (!mul_i64(count, shape->extent[i], &count))
            return false;
    }
    *out = count;
    return true;
}

int64_t shape_count(const Shape *shape)
{
    int64_t count = 0;
    bool fits = shape_elements(shape, &count);
    assert(fits);
    (void)fits;
    return count;
}

int64_t type_bytes(const Type *type)
{
    int64_t bytes = 0;
    bool fits =
        mul_i64(shape_count(&type->shape), dtype_bytes(type->dtype), &bytes);
    assert(fits);
    (void)fits;
    return bytes;
}

bool type_equal(const Type *a, const Type *b)
{
    return a->dtype == b->dtype && shape_equal(&a->shape, &b->shape);
}

bool type_valid(const Type *type)
{
    int64_t bytes = dtype_bytes(type->dtype);
    if (type->shape.rank < 0 || type->shape.rank > RANK_MAX)
        return false;
    for (int32_t i = 0; i < RANK_MAX; i++) {
        int64_t extent = type->shape.extent[i];
        if (i >= type->shape.rank ? extent != 0 : extent < 1)
            return false;
        if (i < type->shape.rank && !mul_i64(bytes, extent, &bytes))
            return false;
    }
    return true;
}

Str type_print(Arena *arena, const Type *type)
{
    Text text = text_new(arena);
    text_format(&text, "%s[", dtype_name(type->dtype));
    for (int32_t i = 0; i < type->shape.rank; i++)
        text_format(&text, i ? ", %lld" : "%lld",
                    (long long)type->shape.extent[i]);
    text_format(&text, "]");
    return text_str(&text);
}

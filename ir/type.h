/* Type: element type and static shape of a value. */
#ifndef DNNC_IR_TYPE_H
#define DNNC_IR_TYPE_H

#include "support/text.h"

#include <stdbool.h>
#include <stdint.h>

enum { RANK_MAX = 8 };

/* Element types: enumerator, spelling, bytes. */
#define DTYPE_TABLE(X) \
    X(F32, "f32", 4)   \
    X(I32, "i32", 4)

typedef enum DType {
#define DTYPE_ENUM(name, text, bytes) DTYPE_##name,
    DTYPE_TABLE(DTYPE_ENUM)
#undef DTYPE_ENUM
        DTYPE_COUNT
} DType;

/* Extents are >= 1 in dimensions [0, rank); a scalar has rank 0.  Dimensions
 * beyond the rank are 0, so equal shapes are equal bytes. */
typedef struct Shape {
    int32_t rank;
    int64_t extent[RANK_MAX];
} Shape;

typedef struct Type {
    DType dtype;
    Shape shape;
} Type;

const char *dtype_name(DType dtype);
bool dtype_parse(Str text, DType *out);
int64_t dtype_bytes(DType dtype);

bool shape_equal(const Shape *a, const Shape *b);
/* Number of elements; false when it does not fit in int64_t. */
bool shape_elements(const Shape *shape, int64_t *out);
/* Elements and bytes of a shape already verified (asserts). */
int64_t shape_count(const Shape *shape);
int64_t type_bytes(const Type *type);
bool type_equal(const Type *a, const Type *b);
/* What every value's type satisfies: rank in [0, RANK_MAX], extents >= 1 (0
 * beyond the rank), bytes that fit in int64_t. */
bool type_valid(const Type *type);

/* "f32[batch, 4]" without names: "f32[32, 4]"; scalars "f32[]". */
Str type_print(Arena *arena, const Type *type);

#endif

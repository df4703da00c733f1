/* JSON place: where a value lies in a text that the JSON library has accepted,
 * for diagnostics: the library keeps values but not their places. */
#ifndef DNNC_IR_JSON_PLACE_H
#define DNNC_IR_JSON_PLACE_H

#include "support/diagnostic.h"

/* A value's container and its place in it; NULL parent: the whole text. */
typedef struct JsonPath {
    const struct JsonPath *parent;
    const char *key; /* in an object; NULL: the item `index` of an array */
    int64_t index;
} JsonPath;

/* The bytes [*begin, *end) of the value; of the innermost container that there
 * is when the value is missing. */
void json_place(Str text, const JsonPath *path, int64_t *begin, int64_t *end);

/* The same in a source of *diagnostics; the span of no source for source 0. */
Span json_span(const Diagnostics *diagnostics, int32_t source,
               const JsonPath *path);

/* "stages[1].submesh.hosts". */
Str json_path_print(Arena *arena, const JsonPath *path);

#endif

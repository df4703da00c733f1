/* A custom mutator for readers of JSON: a change of one value leaves the text
 * JSON, so that it gets past the syntax to what the reader checks.  What does
 * not parse, and every fourth input, is changed as bytes. */
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <string.h>

enum { TEXT_MAX_BYTES = 4096 };

typedef struct Random {
    unsigned int state;
} Random;

static unsigned int draw(Random *r, size_t below)
{
    r->state = r->state * 1664525u + 1013904223u;
    return below ? (r->state >> 8) % (unsigned int)below : 0;
}

/* The number of values in a tree, itself included. */
static size_t count_values(json_t *value)
{
    size_t count = 1, index;
    const char *key;
    json_t *item;
    json_array_foreach(value, index, item) count += count_values(item);
    json_object_foreach(value, key, item) count += count_values(item);
    return count;
}

/* The value number *n of the tree in preorder, NULL beyond its end. */
static json_t *find_value(json_t *value, size_t *n)
{
    size_t index;
    const char *key;
    json_t *item, *found = NULL;
    if ((*n)-- == 0)
        return value;
    json_array_foreach(value, index, item)
    {
        if ((found = find_value(item, n)))
            return found;
    }
    json_object_foreach(value, key, item)
    {
        if ((found = find_value(item, n)))
            return found;
    }
    return NULL;
}

static json_t *any_value(json_t *root, Random *r)
{
    size_t n = draw(r, count_values(root));
    return find_value(root, &n);
}

static json_int_t interesting(Random *r, json_int_t old)
{
    static const json_int_t values[] = {
        0, 1, 2, 3, 4, 7, 8, -1, 1 << 20, INT32_MAX, INT64_MAX, INT64_MIN};
    switch (draw(r, 4)) {
    case 0: return old < INT64_MAX ? old + 1 : old;
    case 1: return old > INT64_MIN ? old - 1 : old;
    case 2: return old / 2;
    default: return values[draw(r, sizeof values / sizeof *values)];
    }
}

static void change_text(json_t *text)
{
    char bytes[TEXT_MAX_BYTES];
    size_t length = json_string_length(text);
    if (length > sizeof bytes / 2)
        return;
    memcpy(bytes, json_string_value(text), length);
    if (length == 0)
        bytes[length++] = 'x';
    length = LLVMFuzzerMutate((uint8_t *)bytes, length, sizeof bytes);
    /* Not UTF-8: refused, the text stays. */
    (void)json_string_setn(text, bytes, length);
}

/* The place of a key, drawn. */
static const char *any_key(json_t *object, Random *r)
{
    size_t n = draw(r, json_object_size(object));
    void *at = json_object_iter(object);
    while (n-- > 0)
        at = json_object_iter_next(object, at);
    return json_object_iter_key(at);
}

/* Takes out a member, or copies any value of the whole over or beside it. */
static void change_members(json_t *root, json_t *object, Random *r)
{
    json_t *copy = json_deep_copy(any_value(root, r));
    const char *key = json_object_size(object) ? any_key(object, r) : "x";
    switch (draw(r, 3)) {
    case 0:
        (void)json_object_del(object, key);
        json_decref(copy);
        break;
    case 1: (void)json_object_set_new(object, key, copy); break;
    default: (void)json_object_set_new(object, "other", copy); break;
    }
}

static void change_elements(json_t *root, json_t *array, Random *r)
{
    json_t *copy = json_deep_copy(any_value(root, r));
    size_t at = draw(r, json_array_size(array));
    switch (draw(r, 3)) {
    case 0:
        (void)json_array_remove(array, at);
        json_decref(copy);
        break;
    case 1: (void)json_array_insert_new(array, at, copy); break;
    default:
        json_decref(copy);
        copy = json_deep_copy(json_array_get(array, at));
        if (copy)
            (void)json_array_append_new(array, copy);
        break;
    }
}

static void change(json_t *root, Random *r)
{
    json_t *value = any_value(root, r);
    switch (json_typeof(value)) {
    case JSON_OBJECT: change_members(root, value, r); break;
    case JSON_ARRAY: change_elements(root, value, r); break;
    case JSON_STRING: change_text(value); break;
    case JSON_INTEGER:
        (void)json_integer_set(value,
                               interesting(r, json_integer_value(value)));
        break;
    case JSON_REAL:
        (void)json_real_set(value, draw(r, 2) ? -json_real_value(value)
                                              : json_real_value(value) * 1e200);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL: break;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned int seed)
{
    Random r = {seed};
    json_t *root = draw(&r, 4) == 0 ? NULL
                                    : json_loadb((const char *)data, size,
                                                 JSON_REJECT_DUPLICATES, NULL);
    if (!root)
        return LLVMFuzzerMutate(data, size, max_size);
    for (unsigned int n = 1 + draw(&r, 3); n > 0; n--)
        change(root, &r);
    /* What is too long is not written whole: the next change shortens it. */
    size_t length = json_dumpb(root, (char *)data, max_size, JSON_COMPACT);
    json_decref(root);
    return length < max_size ? length : max_size;
}

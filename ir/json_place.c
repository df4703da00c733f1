/* JSON place: see the header. */
#include "ir/json_place.h"

#include <string.h>

static void skip_space(Str text, int64_t *at)
{
    while (*at < text.length && strchr(" \t\r\n,:", text.data[*at]) != NULL)
        ++*at;
}

static void skip_string(Str text, int64_t *at)
{
    for (++*at; *at < text.length && text.data[*at] != '"'; ++*at)
        if (text.data[*at] == '\\')
            ++*at;
    ++*at;
}

/* Over one value; nesting is counted, not followed. */
static void skip_value(Str text, int64_t *at)
{
    int64_t depth = 0;
    do {
        char c = *at < text.length ? text.data[*at] : 0;
        if (c == '"') {
            skip_string(text, at);
        } else {
            depth += (c == '{' || c == '[') - (c == '}' || c == ']');
            ++*at;
        }
        if (depth > 0)
            continue;
        /* the rest of a number or a word */
        while (c != '"' && *at < text.length &&
               strchr(" \t\r\n,:]}", text.data[*at]) == NULL && c != '}' &&
               c != ']')
            ++*at;
        return;
    } while (*at < text.length);
}

static bool is_key(Str text, int64_t at, const char *key)
{
    int64_t length = (int64_t)strlen(key);
    return at + length + 1 < text.length &&
           memcmp(text.data + at + 1, key, (size_t)length) == 0 &&
           text.data[at + 1 + length] == '"';
}

/* Moves *at from a container to its member; false when there is none. */
static bool enter(Str text, int64_t *at, const JsonPath *step)
{
    int64_t i = *at + 1;
    for (int64_t item = 0;; item++) {
        skip_space(text, &i);
        if (i >= text.length || text.data[i] == '}' || text.data[i] == ']')
            return false;
        bool found =
            step->key ? is_key(text, i, step->key) : item == step->index;
        if (step->key) {
            skip_string(text, &i);
            skip_space(text, &i);
        }
        if (found) {
            *at = i;
            return true;
        }
        skip_value(text, &i);
    }
}

static bool find(Str text, const JsonPath *path, int64_t *at)
{
    if (path == NULL) {
        skip_space(text, at);
        return true;
    }
    return find(text, path->parent, at) && enter(text, at, path);
}

void json_place(Str text, const JsonPath *path, int64_t *begin, int64_t *end)
{
    *begin = 0;
    find(text, path, begin);
    *end = *begin;
    if (*begin >= text.length)
        *begin = *end = text.length;
    else if (text.data[*begin] == '{' || text.data[*begin] == '[')
        *end = *begin + 1; /* an excerpt shows where it opens */
    else
        skip_value(text, end);
    if (*end > text.length)
        *end = text.length;
}

Span json_span(const Diagnostics *diagnostics, int32_t source,
               const JsonPath *path)
{
    int64_t begin, end;
    if (source == 0)
        return (Span){0};
    json_place(diagnostics->sources.data[source].text, path, &begin, &end);
    return (Span){source, (int32_t)begin, (int32_t)end};
}

Str json_path_print(Arena *arena, const JsonPath *path)
{
    if (path == NULL)
        return STR("the plan");
    Str parent = path->parent ? json_path_print(arena, path->parent) : STR("");
    if (path->key == NULL)
        return str_format(arena, "%.*s[%lld]", STR_ARG(parent),
                          (long long)path->index);
    return str_format(arena, "%.*s%s%s", STR_ARG(parent),
                      parent.length ? "." : "", path->key);
}

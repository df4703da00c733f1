/* JSON stream: a buffer that refills, and the few tokens needed. */
#include "solver/json_stream.h"

#include <stdio.h>
#include <string.h>

JsonStream json_stream_new(Arena *arena, IopddlRead *read, void *context)
{
    return (JsonStream){.read = read,
                        .context = context,
                        .buffer = arena_new(arena, char, JSON_BUFFER_BYTES)};
}

bool stream_fail(JsonStream *s, const char *format, ...)
{
    if (s->failed)
        return false;
    s->failed = true;
    char text[384];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    s->status = status_error(STATUS_INPUT, "byte %lld: %s",
                             (long long)(s->before + s->next), text);
    return false;
}

/* False at the end of the text or on failure. */
static bool refill(JsonStream *s)
{
    const char *wrong = NULL;
    if (s->failed)
        return false;
    s->before += s->end;
    s->next = s->end = 0;
    int64_t n = s->read(s->context, s->buffer, JSON_BUFFER_BYTES, &wrong);
    if (n < 0)
        return stream_fail(s, "%s", wrong);
    s->end = n;
    return n > 0;
}

/* The present byte without taking it, or -1. */
static inline int look(JsonStream *s)
{
    if (s->next == s->end && !refill(s))
        return -1;
    return (unsigned char)s->buffer[s->next];
}

int stream_peek(JsonStream *s)
{
    int c = look(s);
    while (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
        s->next++;
        c = look(s);
    }
    return c;
}

static bool unexpected(JsonStream *s, int c, const char *wanted)
{
    if (c < 0)
        return stream_fail(s, "the text ends where %s should be", wanted);
    if (c < 0x20 || c > 0x7e)
        return stream_fail(s, "byte 0x%02x where %s should be", (unsigned)c,
                           wanted);
    return stream_fail(s, "'%c' where %s should be", c, wanted);
}

bool stream_expect(JsonStream *s, char wanted)
{
    char name[] = {'\'', wanted, '\'', 0};
    int c = stream_peek(s);
    if (c != wanted)
        return unexpected(s, c, name);
    s->next++;
    return true;
}

bool stream_next(JsonStream *s, bool *first, char close)
{
    int c = stream_peek(s);
    if (s->failed)
        return false;
    if (c == close) {
        s->next++;
        return false;
    }
    if (!*first && !stream_expect(s, ','))
        return false;
    *first = false;
    return true;
}

bool stream_integer(JsonStream *s, int64_t *value)
{
    int c = stream_peek(s);
    bool negative = c == '-';
    if (negative) {
        s->next++;
        c = look(s);
    }
    if (c < '0' || c > '9')
        return unexpected(s, c, "an integer");
    int64_t v = 0;
    while (c >= '0' && c <= '9') {
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_sub_overflow(v, c - '0', &v))
            return stream_fail(s, "a number beyond 64 bits");
        s->next++;
        c = look(s);
    }
    if (c == '.' || c == 'e' || c == 'E')
        return stream_fail(s, "a number that is no integer");
    if (!negative && v == INT64_MIN)
        return stream_fail(s, "a number beyond 64 bits");
    *value = negative ? v : -v;
    return !s->failed;
}

bool stream_string(JsonStream *s, char name[JSON_NAME_BYTES])
{
    int64_t n = 0;
    if (stream_peek(s) != '"')
        return unexpected(s, stream_peek(s), "a string");
    s->next++;
    for (;;) {
        int c = look(s);
        if (c < 0)
            return unexpected(s, c, "the end of a string");
        s->next++;
        if (c == '"')
            break;
        if (c == '\\') {
            c = look(s);
            if (c < 0)
                return unexpected(s, c, "the end of a string");
            s->next++;
        }
        if (n < JSON_NAME_BYTES - 1)
            name[n++] = (char)c;
    }
    name[n] = 0;
    return true;
}

static bool skip_word(JsonStream *s)
{
    int64_t n = 0;
    for (int c = look(s); (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                          c == '-' || c == '+' || c == '.' || c == 'E';
         c = look(s)) {
        s->next++;
        n++;
    }
    return n > 0 ? !s->failed : unexpected(s, look(s), "a value");
}

enum { JSON_DEPTH_MAX = 64 };

bool stream_skip(JsonStream *s, int depth)
{
    char name[JSON_NAME_BYTES];
    bool first = true;
    if (depth > JSON_DEPTH_MAX)
        return stream_fail(s, "more than %d levels of nesting", JSON_DEPTH_MAX);
    int c = stream_peek(s);
    if (c == '"')
        return stream_string(s, name);
    if (c != '[' && c != '{')
        return skip_word(s);
    s->next++;
    while (stream_next(s, &first, c == '[' ? ']' : '}')) {
        if (c == '{' && (!stream_string(s, name) || !stream_expect(s, ':')))
            return false;
        if (!stream_skip(s, depth + 1))
            return false;
    }
    return !s->failed;
}

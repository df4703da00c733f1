/* Str and Text: strings with a length, and a buffer that grows. */
#include "support/text.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

Str str_from(const char *nul_terminated)
{
    return (Str){nul_terminated, (int64_t)strlen(nul_terminated)};
}

Str str_copy(Arena *arena, Str s)
{
    char *data = arena_new(arena, char, s.length + 1);
    if (s.length)
        memcpy(data, s.data, (size_t)s.length);
    return (Str){data, s.length};
}

bool str_equal(Str a, Str b)
{
    return a.length == b.length &&
           (a.length == 0 || memcmp(a.data, b.data, (size_t)a.length) == 0);
}

bool str_equal_c(Str a, const char *b) { return str_equal(a, str_from(b)); }

bool str_starts_with(Str s, Str prefix)
{
    return s.length >= prefix.length &&
           str_equal((Str){s.data, prefix.length}, prefix);
}

uint64_t str_hash(Str s)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (int64_t i = 0; i < s.length; i++)
        hash = (hash ^ (unsigned char)s.data[i]) * 0x100000001b3u;
    return hash;
}

Str str_format_v(Arena *arena, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    assert(length >= 0);
    char *data = arena_new(arena, char, (int64_t)length + 1);
    vsnprintf(data, (size_t)length + 1, format, again);
    va_end(again);
    return (Str){data, length};
}

Str str_format(Arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    Str result = str_format_v(arena, format, args);
    va_end(args);
    return result;
}

Text text_new(Arena *arena) { return (Text){.arena = arena}; }

static void text_reserve(Text *text, int64_t more)
{
    int64_t wanted = text->length + more + 1;
    if (wanted <= text->capacity)
        return;
    int64_t capacity = text->capacity ? text->capacity * 2 : 128;
    while (capacity < wanted)
        capacity *= 2;
    char *data = arena_new(text->arena, char, capacity);
    if (text->length)
        memcpy(data, text->data, (size_t)text->length);
    text->data = data;
    text->capacity = capacity;
}

void text_append(Text *text, Str s)
{
    text_reserve(text, s.length);
    if (s.length)
        memcpy(text->data + text->length, s.data, (size_t)s.length);
    text->length += s.length;
    text->data[text->length] = 0;
}

void text_format(Text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    assert(length >= 0);
    text_reserve(text, length);
    vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
    text->length += length;
    va_end(again);
    va_end(args);
}

void text_pad(Text *text, int64_t column)
{
    int64_t width = 0;
    for (int64_t i = text->length; i > 0 && text->data[i - 1] != '\n'; i--)
        width += ((unsigned char)text->data[i - 1] & 0xc0) != 0x80;
    for (; width < column; width++)
        text_append(text, STR(" "));
}

Str text_str(const Text *text)
{
    return text->data ? (Str){text->data, text->length} : STR("");
}

/* Three significant digits of `value` in the largest unit it reaches. */
static Str in_units(Arena *arena, double value, double base,
                    const char *const *units, int n_units)
{
    int unit = 0;
    while (unit + 1 < n_units && fabs(value) >= base * 0.9995) {
        value /= base;
        unit++;
    }
    double size = fabs(value);
    int decimals = unit == 0 && base != 1e3 ? 0
                   : size < 9.995           ? 2
                   : size < 99.95           ? 1
                                            : 0;
    if (value == floor(value) && unit == 0)
        decimals = 0;
    return str_format(arena, "%.*f%s", decimals, value, units[unit]);
}

Str text_bytes(Arena *arena, int64_t bytes)
{
    static const char *const units[] = {" B",  " KB", " MB",
                                        " GB", " TB", " PB"};
    return in_units(arena, (double)bytes, 1e3, units, 6);
}

Str text_seconds(Arena *arena, double seconds)
{
    static const char *const units[] = {" ns", " us", " ms", " s"};
    if (isinf(seconds))
        return STR("infinite");
    return in_units(arena, seconds * 1e9, 1e3, units, 4);
}

Str text_count(Arena *arena, int64_t count)
{
    static const char *const units[] = {"", " K", " M", " G", " T"};
    return in_units(arena, (double)count, 1e3, units, 5);
}

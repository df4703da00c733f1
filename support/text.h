/* Str and Text: strings with a length, and a buffer that grows by appending.
 *
 * A Str borrows: it never owns its bytes and is passed by value.  Strings made
 * by this library end in a NUL that is not counted, so `.data` may be given to
 * C functions; a Str cut out of a source text need not.
 */
#ifndef DNNC_SUPPORT_TEXT_H
#define DNNC_SUPPORT_TEXT_H

#include "support/arena.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Str {
    const char *data;
    int64_t length;
} Str;

/* For printf: printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s) (int)(s).length, (s).data
/* From a string literal. */
#define STR(literal) ((Str){(literal), (int64_t)sizeof(literal) - 1})

#define PRINTF_LIKE(format_index, first_index)                                \
    __attribute__((format(printf, format_index, first_index)))

Str str_from(const char *nul_terminated);
Str str_copy(Arena *arena, Str s);
bool str_equal(Str a, Str b);
bool str_equal_c(Str a, const char *b);
bool str_starts_with(Str s, Str prefix);
/* 64-bit FNV-1a: stable across machines, used for content hashes and RNG
 * stream ids; never to order anything. */
uint64_t str_hash(Str s);
Str str_format(Arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);
Str str_format_v(Arena *arena, const char *format, va_list args)
    PRINTF_LIKE(2, 0);

/* A growing text in an arena.  `text_str` may be called at any time; the
 * result is valid until the next append. */
typedef struct Text {
    Arena *arena;
    char *data;
    int64_t length;
    int64_t capacity;
} Text;

Text text_new(Arena *arena);
void text_append(Text *text, Str s);
void text_format(Text *text, const char *format, ...) PRINTF_LIKE(2, 3);
/* Appends spaces until the current line is at least `column` wide. */
void text_pad(Text *text, int64_t column);
Str text_str(const Text *text);

/* Quantities for people, in a static number of significant digits:
 * "1.50 GB", "12.3 ms", "124 M".  Results live in the arena. */
Str text_bytes(Arena *arena, int64_t bytes);
Str text_seconds(Arena *arena, double seconds);
Str text_count(Arena *arena, int64_t count);

#endif

/* The tokens of the textual IR. */
#include "ir/ir_text.h"

#include "support/checked.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_LENGTH_MAX = 63 };

const char *const OUTPUT_WORDS[] = {
    [OUTPUT_LOSS] = "loss",    [OUTPUT_METRIC] = "metric",
    [OUTPUT_VALUE] = "output", [OUTPUT_UPDATE] = "update",
    [OUTPUT_INIT] = "initial", [OUTPUT_GRADIENT] = "gradient",
};
const char *const VARIABLE_WORDS[] = {
    [VARIABLE_PARAMETER] = "parameter",
    [VARIABLE_STATE] = "state",
    [VARIABLE_OPTIMIZER] = "optimizer",
};
const char *const REGION_WORDS[] = {
    [REGION_FORWARD] = "forward",
    [REGION_BACKWARD] = "backward",
    [REGION_UPDATE] = "update",
};

Span reader_span(const Reader *r, int64_t begin)
{
    return (Span){r->source, (int32_t)begin, (int32_t)r->at};
}

static int peek(const Reader *r)
{
    return r->at < r->text.length ? (unsigned char)r->text.data[r->at] : -1;
}

static bool is_word(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_';
}

void reader_skip(Reader *r)
{
    while (peek(r) == ' ' || peek(r) == '\t')
        r->at++;
}

bool reader_at_end(Reader *r)
{
    bool comment = false;
    while (peek(r) == ' ' || peek(r) == '\t' || peek(r) == '\n' ||
           (peek(r) > 0 && (comment || peek(r) == '#'))) {
        comment = peek(r) == '#' || (comment && peek(r) != '\n');
        r->at++;
    }
    return r->failed || r->at == r->text.length;
}

bool read_if(Reader *r, const char *token)
{
    reader_skip(r);
    int64_t n = (int64_t)strlen(token);
    if (r->failed || r->text.length - r->at < n ||
        memcmp(r->text.data + r->at, token, (size_t)n) != 0)
        return false;
    int64_t after = r->at + n;
    if (is_word(token[n - 1]) && after < r->text.length &&
        is_word((unsigned char)r->text.data[after]))
        return false;
    r->at = after;
    return true;
}

/* The place and what is wrong with it: one character, or the line's end. */
static void fail_expected(Reader *r, const char *what)
{
    reader_skip(r);
    int64_t begin = r->at;
    if (peek(r) > 0 && peek(r) != '\n')
        r->at++;
    reader_fail(r, begin, ir_expected, what);
}

void read_token(Reader *r, const char *token)
{
    if (r->failed || read_if(r, token))
        return;
    char what[32];
    snprintf(what, sizeof(what),
             token[0] == '\n' ? "the end of the line" : "'%s'", token);
    fail_expected(r, what);
}

Str read_word(Reader *r)
{
    reader_skip(r);
    int64_t begin = r->at;
    while (!r->failed && is_word(peek(r)))
        r->at++;
    return (Str){r->text.data + begin, r->at - begin};
}

int64_t read_integer(Reader *r)
{
    reader_skip(r);
    int64_t begin = r->at, value = 0;
    bool negative = read_if(r, "-"), fits = true;
    int64_t digits = r->at;
    for (; !r->failed && peek(r) >= '0' && peek(r) <= '9'; r->at++) {
        int64_t digit = peek(r) - '0';
        fits = fits && mul_i64(value, 10, &value) &&
               add_i64(value, negative ? -digit : digit, &value);
    }
    if (r->at == digits)
        fail_expected(r, "an integer");
    else if (!fits)
        reader_fail(r, begin, ir_number);
    return r->failed ? 0 : value;
}

double read_number(Reader *r)
{
    reader_skip(r);
    char digits[NUMBER_LENGTH_MAX + 1];
    int64_t begin = r->at, n = 0;
    while (!r->failed && n < NUMBER_LENGTH_MAX &&
           (is_word(peek(r)) || strchr("+-.", peek(r) > 0 ? peek(r) : 'x'))) {
        digits[n++] = (char)peek(r);
        r->at++;
    }
    digits[n] = 0;
    char *end = digits;
    double value = strtod(digits, &end);
    if (n > 0 && end == digits + n)
        return value;
    r->at = begin;
    fail_expected(r, "a number");
    return 0;
}

static int hex_digit(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte after a backslash; -1 when it is no escape. */
static int read_escape(Reader *r)
{
    int c = peek(r);
    r->at++;
    if (c == '"' || c == '\\')
        return c;
    if (c != 'x' || r->text.length - r->at < 2)
        return -1;
    int high = hex_digit(peek(r));
    r->at++;
    int low = hex_digit(peek(r));
    r->at++;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

Str read_quoted(Reader *r, Arena *arena)
{
    read_token(r, "\"");
    Text text = text_new(arena);
    while (!r->failed && peek(r) != '"') {
        int64_t begin = r->at;
        int c = peek(r);
        r->at += c >= ' ';
        if (c == '\\')
            c = read_escape(r);
        if (c < 0 || (c < ' ' && r->at == begin)) {
            r->at = begin;
            fail_expected(r, "'\"'");
        }
        char byte = (char)c;
        text_append(&text, (Str){&byte, 1});
    }
    read_token(r, "\"");
    return r->failed ? (Str){"", 0} : text_str(&text);
}

Type read_type(Reader *r)
{
    Type type = {0};
    reader_skip(r);
    int64_t begin = r->at;
    if (!dtype_parse(read_word(r), &type.dtype)) {
        r->at = begin;
        fail_expected(r, "a type");
    }
    read_token(r, "[");
    if (read_if(r, "]"))
        return type;
    do {
        if (type.shape.rank == RANK_MAX) {
            fail_expected(r, "at most 8 dimensions");
            return (Type){0};
        }
        type.shape.extent[type.shape.rank++] = read_integer(r);
    } while (read_if(r, ","));
    read_token(r, "]");
    if (!r->failed && !type_valid(&type))
        reader_fail(r, begin, ir_expected, "positive extents that fit");
    return type;
}

void text_quoted(Text *text, Str s)
{
    text_append(text, STR("\""));
    for (int64_t i = 0; i < s.length; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c == '"' || c == '\\')
            text_format(text, "\\%c", c);
        else if (c < ' ')
            text_format(text, "\\x%02x", c);
        else
            text_append(text, (Str){&s.data[i], 1});
    }
    text_append(text, STR("\""));
}

void text_number(Text *text, double value)
{
    char digits[NUMBER_LENGTH_MAX + 1] = "nan"; /* whatever its sign */
    for (int n = 1; n <= 17 && !isnan(value); n++) {
        snprintf(digits, sizeof(digits), "%.*g", n, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    text_append(text, str_from(digits));
}

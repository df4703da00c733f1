/* Reading and writing the small parts of the textual IR (private to
 * ir/graph_print.c, ir/graph_parse.c, ir/attr_text.c). */
#ifndef DNNC_IR_IR_TEXT_H
#define DNNC_IR_IR_TEXT_H

#include "ir/graph.h"

/* The words for enumerators, in their order. */
extern const char *const OUTPUT_WORDS[OUTPUT_GRADIENT + 1];
extern const char *const VARIABLE_WORDS[VARIABLE_OPTIMIZER + 1];
extern const char *const REGION_WORDS[REGION_UPDATE + 1];

/* A place in a text.  After a mistake `failed` is set and every read_*
 * returns at once, so that a sequence of reads needs one check at its end. */
typedef struct Reader {
    Diagnostics *diagnostics;
    int32_t source;
    Str text;
    int64_t at;
    bool failed;
} Reader;

/* Diagnoses at the bytes from `begin` to the reader's place. */
#define reader_fail(r, begin, id, ...)                                     \
    ((r)->failed ? (void)0                                                 \
                 : (void)diagnose((r)->diagnostics, reader_span(r, begin), \
                                  id __VA_OPT__(, ) __VA_ARGS__),          \
     (r)->failed = true)

Span reader_span(const Reader *r, int64_t begin);
/* Spaces and tabs are skipped before every token; ends of lines are not. */
void reader_skip(Reader *r);
/* Skips empty lines and comments (# to the end of the line) too. */
bool reader_at_end(Reader *r);
/* Takes `token` when it comes next (a word only as a whole). */
bool read_if(Reader *r, const char *token);
void read_token(Reader *r, const char *token);
/* Letters, digits and _; "" when none comes next. */
Str read_word(Reader *r);
int64_t read_integer(Reader *r);
double read_number(Reader *r);
/* "..." with \", \\ and \xHH; the result is in `arena`. */
Str read_quoted(Reader *r, Arena *arena);
Type read_type(Reader *r);

void text_quoted(Text *text, Str s);
/* The shortest decimal that reads back as the same double. */
void text_number(Text *text, double value);

/* One description of an attribute's fields for both directions: with `out` it
 * is written, with `in` read.  `rank` is the first operand's. */
typedef struct AttrText {
    Text *out;
    Reader *in;
    int32_t rank;
} AttrText;

/* "{...}" with a leading space, or nothing for an op without attribute. */
void attr_text(const AttrText *t, Op op, Attr *attr);

#endif

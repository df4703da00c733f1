/* Diagnostics: what is wrong with the user's input, and what to do about it.
 *
 *     gpt.dnn:12:8: error: operand has shape f32[1024, 4096], expected f32[4096, _] [shape_mismatch]
 *        12 |     x = dot(x, w)
 *           |             ^~~~
 *     gpt.dnn:4:3: note: declared here
 *     help: transpose the operand, or change the declared shape
 *
 * Every message is a row of support/diagnostic.def: an id, a printf format and
 * a remedy.  Tests match the id in brackets, so the prose can improve.
 * Diagnostics are collected, then sorted by place and printed; a phase goes on
 * after an error where it can, so that one run shows up to
 * DIAGNOSTICS_SHOWN_MAX of them.
 */
#ifndef DNNC_SUPPORT_DIAGNOSTIC_H
#define DNNC_SUPPORT_DIAGNOSTIC_H

#include "support/text.h"
#include "support/vector.h"

enum { DIAGNOSTICS_SHOWN_MAX = 20 };

/* A byte range of one source; source 0 is "nowhere" (no excerpt is shown). */
typedef struct Span {
    int32_t source;
    int32_t begin, end;
} Span;

typedef enum DiagnosticId {
#define DIAGNOSTIC(id, format, remedy) DIAGNOSTIC_##id,
#include "support/diagnostic.def"
#undef DIAGNOSTIC
    DIAGNOSTIC_ID_COUNT
} DiagnosticId;

/* The formats as constants, so that the compiler checks the arguments. */
#define DIAGNOSTIC(id, format, remedy)                                        \
    __attribute__((unused)) static const char DIAGNOSTIC_FORMAT_##id[] =      \
        format;
#include "support/diagnostic.def"
#undef DIAGNOSTIC

typedef struct Source {
    Str name; /* as the user wrote the path */
    Str text;
} Source;

typedef struct DiagnosticNote {
    Span span;
    Str message;
} DiagnosticNote;

typedef struct Diagnostic {
    DiagnosticId id;
    Span span;
    Str message;
    Str remedy; /* empty: none beyond the table's */
    VECTOR(DiagnosticNote) notes;
} Diagnostic;

typedef struct Diagnostics {
    Arena *arena;
    VECTOR(Source) sources; /* sources.data[0] is "nowhere" */
    VECTOR(Diagnostic) list;
} Diagnostics;

Diagnostics diagnostics_new(Arena *arena);
/* The source's number for spans.  `name` and `text` are borrowed. */
int32_t diagnostics_add_source(Diagnostics *d, Str name, Str text);

/* Records one error.  The result is valid until the next; it takes notes. */
#define diagnose(d, span, id, ...)                                            \
    diagnostic_add((d), (span), DIAGNOSTIC_##id,                              \
                   DIAGNOSTIC_FORMAT_##id __VA_OPT__(, ) __VA_ARGS__)
Diagnostic *diagnostic_add(Diagnostics *d, Span span, DiagnosticId id,
                           const char *format, ...) PRINTF_LIKE(4, 5);
/* "note: ..." at another place: the other end of a contradiction. */
void diagnostic_note(Diagnostics *d, Diagnostic *diagnostic, Span span,
                     const char *format, ...) PRINTF_LIKE(4, 5);
/* A remedy more specific than the table's. */
void diagnostic_remedy(Diagnostics *d, Diagnostic *diagnostic,
                       const char *format, ...) PRINTF_LIKE(3, 4);

static inline bool diagnostics_any(const Diagnostics *d)
{
    return d->list.count != 0;
}

/* All diagnostics, sorted by source and place, equal ones once, at most
 * DIAGNOSTICS_SHOWN_MAX with a closing count.  Lives in `arena`. */
Str diagnostics_print(const Diagnostics *d, Arena *arena);

const char *diagnostic_name(DiagnosticId id);
/* 1-based line and column (in bytes) of an offset. */
void source_place(Str text, int64_t offset, int64_t *line, int64_t *column);

#endif

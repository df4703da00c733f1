/* Diagnostics: collecting, sorting, and the printer with the caret. */
#include "support/diagnostic.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
#define DIAGNOSTIC(id, format, remedy) #id,
#include "support/diagnostic.def"
#undef DIAGNOSTIC
};

static const char *const remedies[] = {
#define DIAGNOSTIC(id, format, remedy) remedy,
#include "support/diagnostic.def"
#undef DIAGNOSTIC
};

const char *diagnostic_name(DiagnosticId id) { return names[id]; }

Diagnostics diagnostics_new(Arena *arena)
{
    Diagnostics d = {.arena = arena};
    *vector_push(arena, &d.sources) = (Source){STR(""), STR("")};
    return d;
}

int32_t diagnostics_add_source(Diagnostics *d, Str name, Str text)
{
    *vector_push(d->arena, &d->sources) = (Source){name, text};
    return (int32_t)(d->sources.count - 1);
}

Diagnostic *diagnostic_add(Diagnostics *d, Span span, DiagnosticId id,
                           const char *format, ...)
{
    va_list args;
    va_start(args, format);
    Str message = str_format_v(d->arena, format, args);
    va_end(args);
    Diagnostic *added = vector_push(d->arena, &d->list);
    *added = (Diagnostic){.id = id, .span = span, .message = message};
    return added;
}

void diagnostic_note(Diagnostics *d, Diagnostic *diagnostic, Span span,
                     const char *format, ...)
{
    va_list args;
    va_start(args, format);
    Str message = str_format_v(d->arena, format, args);
    va_end(args);
    *vector_push(d->arena, &diagnostic->notes) =
        (DiagnosticNote){span, message};
}

void diagnostic_remedy(Diagnostics *d, Diagnostic *diagnostic,
                       const char *format, ...)
{
    va_list args;
    va_start(args, format);
    diagnostic->remedy = str_format_v(d->arena, format, args);
    va_end(args);
}

void source_place(Str text, int64_t offset, int64_t *line, int64_t *column)
{
    *line = 1;
    int64_t begin = 0;
    for (int64_t i = 0; i < offset && i < text.length; i++) {
        if (text.data[i] == '\n') {
            ++*line;
            begin = i + 1;
        }
    }
    *column = offset - begin + 1;
}

/* The source line of a span with a caret range below it.  Tabs are kept in
 * the margin so that the caret stays under its column. */
static void print_excerpt(Text *out, Str text, Span span, int64_t line)
{
    int64_t begin = span.begin;
    while (begin > 0 && text.data[begin - 1] != '\n')
        begin--;
    int64_t end = span.begin;
    while (end < text.length && text.data[end] != '\n')
        end++;
    text_format(out, "%5lld | %.*s\n", (long long)line, (int)(end - begin),
                text.data + begin);
    text_append(out, STR("      | "));
    for (int64_t i = begin; i < span.begin; i++)
        if (((unsigned char)text.data[i] & 0xc0) != 0x80)
            text_append(out, text.data[i] == '\t' ? STR("\t") : STR(" "));
    text_append(out, STR("^"));
    for (int64_t i = span.begin + 1; i < span.end && i < end; i++)
        if (((unsigned char)text.data[i] & 0xc0) != 0x80)
            text_append(out, STR("~"));
    text_append(out, STR("\n"));
}

static void print_place(Text *out, const Diagnostics *d, Span span,
                        const char *severity, Str message, const char *name)
{
    assert(span.source >= 0 && span.source < d->sources.count);
    const Source *source = &d->sources.data[span.source];
    int64_t line = 0, column = 0;
    if (span.source != 0) {
        source_place(source->text, span.begin, &line, &column);
        text_format(out, "%.*s:%lld:%lld: ", STR_ARG(source->name),
                    (long long)line, (long long)column);
    } else {
        text_append(out, STR("dnnc: "));
    }
    text_format(out, "%s: %.*s", severity, STR_ARG(message));
    if (name)
        text_format(out, " [%s]", name);
    text_append(out, STR("\n"));
    if (span.source != 0)
        print_excerpt(out, source->text, span, line);
}

static int compare_places(const void *a, const void *b)
{
    const Diagnostic *x = *(const Diagnostic *const *)a;
    const Diagnostic *y = *(const Diagnostic *const *)b;
    if (x->span.source != y->span.source)
        return x->span.source < y->span.source ? -1 : 1;
    if (x->span.begin != y->span.begin)
        return x->span.begin < y->span.begin ? -1 : 1;
    return x < y ? -1 : x > y; /* order of discovery: one array */
}

Str diagnostics_print(const Diagnostics *d, Arena *arena)
{
    Text out = text_new(arena);
    int64_t n = d->list.count;
    const Diagnostic **order = arena_new(arena, const Diagnostic *, n);
    for (int64_t i = 0; i < n; i++)
        order[i] = &d->list.data[i];
    if (n)
        qsort(order, (size_t)n, sizeof *order, compare_places);
    int64_t shown = 0, left = 0;
    for (int64_t i = 0; i < n; i++) {
        const Diagnostic *this = order[i];
        if (i && this->id == order[i - 1]->id &&
            memcmp(&this->span, &order[i - 1]->span, sizeof(Span)) == 0 &&
            str_equal(this->message, order[i - 1]->message))
            continue;
        if (shown == DIAGNOSTICS_SHOWN_MAX) {
            left++;
            continue;
        }
        shown++;
        print_place(&out, d, this->span, "error", this->message,
                    names[this->id]);
        for (int64_t k = 0; k < this->notes.count; k++)
            print_place(&out, d, this->notes.data[k].span, "note",
                        this->notes.data[k].message, NULL);
        Str remedy =
            this->remedy.length ? this->remedy : str_from(remedies[this->id]);
        if (remedy.length)
            text_format(&out, "help: %.*s\n", STR_ARG(remedy));
    }
    if (left)
        text_format(&out, "dnnc: %lld more errors not shown\n",
                    (long long)left);
    return text_str(&out);
}

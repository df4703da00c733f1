/* Complain: diagnostics of the lowering, put where the user can act.
 *
 * The library is written in the language, so a mistake in a call of `linear`
 * shows inside linear's text.  It is reported at the user's call, with a note
 * that shows the library's line.
 */
#include "frontend/lower.h"

enum { TRACE_NOTES_MAX = 3, NAME_DISTANCE_MAX = 2, NEAR_LENGTH_MAX = 64 };

Span complaint_place(const Lowering *l, Span span)
{
    for (const Frame *f = l->frame; f && span.source == l->library_source;
         f = f->caller)
        span = f->call;
    return span;
}

static bool contains(Span outer, Span inner)
{
    return outer.source == inner.source && outer.begin <= inner.begin &&
           outer.end >= inner.end;
}

Diagnostic *complaint_trace(Lowering *l, Span span, Diagnostic *diagnostic)
{
    Span place = diagnostic->span;
    if (span.source == l->library_source && l->frame)
        explain(l, diagnostic, span, "in library function '%.*s'",
                STR_ARG(l->frame->name));
    int shown = 0;
    for (const Frame *f = l->frame; f && f->caller; f = f->caller) {
        if (f->call.source == l->library_source || contains(f->call, place) ||
            shown == TRACE_NOTES_MAX)
            continue;
        explain(l, diagnostic, f->call, "in the call of '%.*s'",
                STR_ARG(f->name));
        shown++;
    }
    return diagnostic;
}

bool lower_steps(Lowering *l, Span span, int64_t n)
{
    if (l->stopped)
        return false;
    l->stopped = true;
    l->work += n;
    if (l->work > LOWER_WORK_MAX)
        complain(l, span, too_much_work, LOWER_WORK_MAX);
    else if (l->depth > LOWER_DEPTH_MAX)
        complain(l, span, nested_too_deeply, LOWER_DEPTH_MAX);
    else if (l->graph->nodes.count > LOWER_NODES_MAX)
        complain(l, span, too_many_nodes, LOWER_NODES_MAX);
    else
        l->stopped = l->diagnostics->list.count > LOWER_ERRORS_MAX;
    return !l->stopped;
}

bool lower_step(Lowering *l, Span span)
{
    return lower_steps(l, span, 1);
}

/* Levenshtein distance; `limit` stands for long names. */
static int64_t distance(Str a, Str b, int64_t limit)
{
    int64_t row[NEAR_LENGTH_MAX + 1] = {0};
    if (a.length > NEAR_LENGTH_MAX || b.length > NEAR_LENGTH_MAX)
        return limit;
    for (int64_t j = 0; j <= b.length; j++)
        row[j] = j;
    for (int64_t i = 1; i <= a.length; i++) {
        int64_t diagonal = row[0];
        row[0] = i;
        for (int64_t j = 1; j <= b.length; j++) {
            int64_t best = diagonal + (a.data[i - 1] != b.data[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b.length];
}

/* Keeps `known` when it is closer to `name` than *least. */
static void consider(Str name, Str known, int64_t *least, Str *best)
{
    int64_t d = distance(name, known, *least);
    if (d < *least) {
        *least = d;
        *best = known;
    }
}

Str scope_nearest(const Scope *scope, Str name)
{
    Str best = {0};
    int64_t least = 1 + (name.length <= 3 ? 1 : NAME_DISTANCE_MAX);
    for (; scope; scope = scope->parent)
        for (int64_t i = 0; i < scope->names.entries.count; i++)
            consider(name, scope->names.entries.data[i].key, &least, &best);
    for (int64_t i = 0; builtin_at(i); i++)
        consider(name, str_from(builtin_at(i)->name), &least, &best);
    return best;
}

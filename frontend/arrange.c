/* Arrange: from the tokens of a text to those the parser reads.
 *
 * Line ends separate statements except inside round and square brackets,
 * after an operator, a comma or an opening bracket, and before `else` and
 * `then`.  When the brackets of a text do not match, the author's indentation
 * says where: a line that is not indented deeper than the line of an open
 * bracket ends it.  Such brackets are diagnosed and repaired here, so that the
 * parser sees a matching text and reports other mistakes.
 */
#include "frontend/token.h"
#include "grammar.tab.h"

typedef struct Arranger {
    Arena *arena;
    Diagnostics *diagnostics;
    TokenList out;
    TokenList open; /* unclosed opening brackets */
    bool repairing;
    bool balanced;
} Arranger;

static int closer_of(int kind)
{
    return kind == '(' ? ')' : kind == '[' ? ']' : kind == '{' ? '}' : 0;
}

static void emit(Arranger *a, Token token)
{
    *vector_push(a->arena, &a->out) = token;
}

static Token *top(const Arranger *a)
{
    return a->open.count ? &a->open.data[a->open.count - 1] : NULL;
}

static void emit_newline(Arranger *a, Token token)
{
    const Token *opener = top(a);
    if (opener && opener->kind != '{')
        return;
    int64_t n = a->out.count;
    int before = n ? a->out.data[n - 1].kind : TOKEN_NEWLINE;
    if (before != TOKEN_NEWLINE && !token_continues(before))
        emit(a, token);
}

/* The last real token that was emitted, or the opener itself. */
static Span end_of_last(const Arranger *a, Span fallback)
{
    for (int64_t i = a->out.count - 1; i >= 0; i--)
        if (a->out.data[i].kind != TOKEN_NEWLINE)
            return a->out.data[i].span;
    return fallback;
}

static void report_unclosed(Arranger *a, Token opener, Span end)
{
    if (errors_abound(a->diagnostics))
        return;
    Diagnostic *d = diagnose(a->diagnostics, end, bracket_unclosed,
                             (char)closer_of(opener.kind), (char)opener.kind);
    diagnostic_note(a->diagnostics, d, opener.span, "opened here");
}

/* Closes the innermost bracket, which the text left open. */
static void close_missing(Arranger *a)
{
    a->balanced = false;
    Token opener = *top(a);
    a->open.count--;
    if (!a->repairing)
        return;
    Span last = end_of_last(a, opener.span);
    Span end = {last.source, last.end, last.end};
    report_unclosed(a, opener, end);
    emit(a, (Token){.kind = closer_of(opener.kind), .span = end});
    if (!top(a) || top(a)->kind == '{')
        emit(a, (Token){.kind = TOKEN_NEWLINE, .span = end});
}

static void drop_unmatched(Arranger *a, Token closer)
{
    a->balanced = false;
    if (a->repairing && !errors_abound(a->diagnostics))
        diagnose(a->diagnostics, closer.span, bracket_unmatched,
                 (char)closer.kind);
}

/* Is a bracket open that `closer` may close, on a line indented at most
 * `indent`, among the outermost `n`? */
static bool is_open(const Arranger *a, int closer, int32_t indent, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (closer_of(a->open.data[i].kind) == closer &&
            a->open.data[i].indent <= indent)
            return true;
    return false;
}

/* Must the innermost bracket end before `closer`?  It is of another kind, or
 * the closer's indentation says that it closes one further out. */
static bool ends_before(const Arranger *a, Token closer)
{
    if (closer_of(top(a)->kind) != closer.kind)
        return true;
    return a->repairing && closer.first_on_line &&
           top(a)->indent > closer.indent &&
           is_open(a, closer.kind, closer.indent, a->open.count - 1);
}

/* In a text whose brackets do not match: is this closing brace, by its place
 * on the line, one too many? */
static bool is_extra(const Arranger *a, Token closer)
{
    if (!a->repairing || closer.kind != '}')
        return false;
    const Token *opener = top(a);
    if (closer.first_on_line)
        return closer.indent > opener->indent;
    int64_t n = a->out.count;
    return n && a->out.data[n - 1].kind == '}' &&
           a->out.data[n - 1].first_on_line;
}

static void close_bracket(Arranger *a, Token closer)
{
    if (!is_open(a, closer.kind, INT32_MAX, a->open.count)) {
        drop_unmatched(a, closer);
        return;
    }
    while (ends_before(a, closer))
        close_missing(a);
    if (is_extra(a, closer)) {
        drop_unmatched(a, closer);
        return;
    }
    a->open.count--;
    emit(a, closer);
}

/* A line that begins no deeper than the line of an open bracket ends it. */
static void close_by_indentation(Arranger *a, Token token)
{
    while (a->open.count && token.first_on_line &&
           token.indent <= top(a)->indent &&
           top(a)->span.begin != token.span.begin)
        close_missing(a);
}

static bool arrange_one(Arranger *a, Token token)
{
    if (token.kind == TOKEN_COMMENT)
        return true;
    if (token.kind == TOKEN_NEWLINE) {
        emit_newline(a, token);
        return true;
    }
    if (token_closes(token.kind)) {
        close_bracket(a, token);
        return true;
    }
    if (a->repairing)
        close_by_indentation(a, token);
    int64_t n = a->out.count;
    if ((token.kind == TOKEN_ELSE || token.kind == TOKEN_THEN) && n &&
        a->out.data[n - 1].kind == TOKEN_NEWLINE)
        a->out.count--;
    emit(a, token);
    if (!closer_of(token.kind))
        return true;
    *vector_push(a->arena, &a->open) = token;
    if (a->open.count <= BRACKET_DEPTH_MAX)
        return true;
    if (a->repairing)
        diagnose(a->diagnostics, token.span, nested_too_deeply,
                 BRACKET_DEPTH_MAX);
    return false;
}

/* False when brackets do not match or are nested too deeply. */
static bool arrange_all(Arranger *a, const TokenList *cut)
{
    a->balanced = true;
    for (int64_t i = 0; i < cut->count - 1; i++) {
        if (!arrange_one(a, cut->data[i])) {
            a->out.count = 0;
            a->open.count = 0;
            a->balanced = false;
            break;
        }
    }
    while (a->open.count)
        close_missing(a);
    Token end = cut->data[cut->count - 1];
    Token newline = {.kind = TOKEN_NEWLINE, .span = end.span};
    emit_newline(a, newline);
    emit(a, end);
    return a->balanced;
}

TokenList tokens_arrange(Arena *arena, const TokenList *cut,
                         Diagnostics *diagnostics)
{
    Arranger first = {.arena = arena, .diagnostics = diagnostics};
    if (arrange_all(&first, cut))
        return first.out;
    Arranger repair = {
        .arena = arena, .diagnostics = diagnostics, .repairing = true};
    arrange_all(&repair, cut);
    return repair.out;
}

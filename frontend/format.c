/* Format: one layout for every text, made from its tokens.
 *
 * Line breaks and comments are the author's; blanks and indentation are the
 * formatter's: four columns for each line with brackets that are still open,
 * and for a line that continues a statement; one blank around operators, none
 * inside brackets, at most one empty line in a row.
 */
#include "frontend/frontend.h"
#include "frontend/parse.h"
#include "grammar.tab.h"

enum { INDENT_COLUMNS = 4 };

static bool is_operator(int kind)
{
    switch (kind) {
    case TOKEN_IN:
    case TOKEN_IF:
    case TOKEN_ELSE:
    case TOKEN_RETURN:
    case TOKEN_ON:
    case TOKEN_SHIFTED: return true;
    default: return token_is_operator(kind);
    }
}

/* A minus that stands where a value must come has one operand. */
static bool is_sign(int before, int kind)
{
    return kind == '-' && (before == TOKEN_NEWLINE || before == ',' ||
                           before == ':' || before == TOKEN_RANGE ||
                           token_opens(before) || is_operator(before));
}

typedef struct Open {
    int kind;
    int64_t line;
} Open;

typedef struct Formatter {
    Text out;
    Open open[BRACKET_DEPTH_MAX + 1];
    int64_t depth, line;
    int last;      /* kind of the last token that is not trivia */
    int before;    /* kind of the last token; NEWLINE at the start */
    bool was_sign; /* the last token was a sign */
    bool cluster;  /* units: GB/s has no blanks */
    int empty_lines;
} Formatter;

/* Does a blank stand between `before` and `kind`, on one line? */
static bool blank_between(const Formatter *f, int kind, bool units)
{
    int before = f->before;
    if (f->was_sign || units)
        return false;
    if (kind == TOKEN_COMMENT || before == '{' || kind == '}' || kind == '{')
        return !(before == '{' && kind == '}');
    if (token_opens(before) || token_closes(kind) || kind == ',' ||
        kind == '.' || before == '.' || kind == TOKEN_RANGE ||
        before == TOKEN_RANGE)
        return false;
    bool subscript = f->depth && f->open[f->depth - 1].kind == '[';
    if (kind == ':')
        return before == ',';
    if (before == ':' && subscript)
        return false;
    if (kind == '(' || kind == '[')
        return is_operator(before) || before == ',' || before == ':';
    return true;
}

/* Lines, counted once each, with brackets among the outermost `depth`. */
static int64_t open_lines(const Formatter *f, int64_t depth)
{
    int64_t n = 0;
    for (int64_t i = 0; i < depth; i++)
        n += i == 0 || f->open[i].line != f->open[i - 1].line;
    return n;
}

static void begin_line(Formatter *f, const TokenList *tokens, int64_t i)
{
    int64_t depth = f->depth;
    int kind = tokens->data[i].kind;
    for (int64_t k = i; token_closes(tokens->data[k].kind); k++)
        depth--;
    int64_t level = open_lines(f, depth);
    bool in_block = depth == 0 || f->open[depth - 1].kind == '{';
    if (in_block && !token_closes(kind) && kind != TOKEN_COMMENT &&
        (token_continues(f->last) || kind == TOKEN_THEN ||
         (kind == TOKEN_ELSE && f->last != '}')))
        level++;
    for (int64_t k = 0; k < level * INDENT_COLUMNS; k++)
        text_append(&f->out, STR(" "));
}

static void track(Formatter *f, int kind)
{
    if (token_opens(kind))
        f->open[f->depth++] = (Open){kind, f->line};
    else if (token_closes(kind))
        f->depth--;
    if (kind != TOKEN_COMMENT)
        f->last = kind;
    f->before = kind;
}

static bool inside_unit(const Formatter *f, const TokenList *tokens, int64_t i)
{
    return f->cluster && i > 0 &&
           (tokens->data[i].kind == '/' || tokens->data[i - 1].kind == '/');
}

static void put(Formatter *f, const Diagnostics *diagnostics,
                const TokenList *tokens, int64_t i)
{
    Token token = tokens->data[i];
    if (token.kind == TOKEN_NEWLINE) {
        f->empty_lines += f->before == TOKEN_NEWLINE;
        f->line++;
        f->before = TOKEN_NEWLINE;
        f->was_sign = false;
        if (f->empty_lines == 0)
            text_append(&f->out, STR("\n"));
        return;
    }
    if (f->empty_lines && f->out.length)
        text_append(&f->out, STR("\n"));
    f->empty_lines = 0;
    if (f->before == TOKEN_NEWLINE)
        begin_line(f, tokens, i);
    else if (token.kind == TOKEN_COMMENT)
        text_append(&f->out, STR("  "));
    else if (blank_between(f, token.kind, inside_unit(f, tokens, i)))
        text_append(&f->out, STR(" "));
    Str text = span_text(diagnostics, token.span);
    while (token.kind == TOKEN_COMMENT && text.length &&
           (text.data[text.length - 1] == ' ' ||
            text.data[text.length - 1] == '\t' ||
            text.data[text.length - 1] == '\r'))
        text.length--;
    text_append(&f->out, text);
    f->was_sign = is_sign(f->before, token.kind);
    track(f, token.kind);
}

bool frontend_format(Arena *arena, int32_t source, SourceKind kind,
                     Diagnostics *diagnostics, Str *out)
{
    StmtList unused;
    bool ok = kind == SOURCE_MODEL
                  ? parse_model(arena, source, diagnostics, &unused)
                  : parse_cluster(arena, source, diagnostics, &unused);
    if (!ok)
        return false;
    TokenList tokens = tokens_cut(arena, source, diagnostics);
    Formatter f = {.out = text_new(arena),
                   .before = TOKEN_NEWLINE,
                   .cluster = kind == SOURCE_CLUSTER};
    for (int64_t i = 0; i + 1 < tokens.count; i++)
        put(&f, diagnostics, &tokens, i);
    if (f.before != TOKEN_NEWLINE)
        text_append(&f.out, STR("\n"));
    *out = text_str(&f.out);
    return true;
}

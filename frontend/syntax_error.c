/* Syntax error: from the parser's token sets to a sentence.
 *
 * What is missing at the end of a line is reported there, behind the last
 * token, and not at the first token of the next line.  Token sets are folded
 * into the notions of the language: "an expression", "an operator".
 */
#include "frontend/syntax_error.h"

#include "grammar.tab.h"

#include <string.h>

enum { EXPECTED_SHOWN_MAX = 5 };

/* Tokens that begin an expression, and those that may follow one. */
static const char *const beginnings[] = {
    "a name", "a whole number", "a number", "a string", "'('", "'-'",
    "not",    "true",           "false",    "if",
};
static const char *const followers[] = {
    "and", "or",  "==",  "!=",  "<=", ">=", "'<'", "'>'", "'+'", "'-'",
    "'*'", "'/'", "'%'", "'@'", "//", "**", "'('", "'['", "'.'",
};
static const char *const statements[] = {
    "model", "fn",     "module", "input", "param",  "state", "update",
    "loss",  "metric", "output", "train", "return", "for",
};

static bool one_of(const char *name, const char *const *set, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(name, set[i]) == 0)
            return true;
    return false;
}

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static int count_of(const char *const *expected, int n, const char *const *set,
                    int n_set)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        count += one_of(expected[i], set, n_set);
    return count;
}

/* "end of line, ')' or 'else'"; words of the language are quoted. */
static Str join_choices(Arena *arena, const char *const *choices, int n)
{
    Text text = text_new(arena);
    for (int i = 0; i < n; i++) {
        const char *name = choices[i];
        bool is_notion = name[0] == '\'' || strncmp(name, "a ", 2) == 0 ||
                         strncmp(name, "an ", 3) == 0 ||
                         strncmp(name, "end ", 4) == 0;
        if (i > 0)
            text_append(&text, i + 1 == n ? STR(" or ") : STR(", "));
        text_format(&text, is_notion ? "%s" : "'%s'", name);
    }
    return text_str(&text);
}

static Str expectation(Arena *arena, const char *const *expected, int n)
{
    const char *choices[EXPECTED_SHOWN_MAX + 1];
    int shown = 0;
    bool statement = count_of(expected, n, statements, COUNT(statements)) > 6;
    bool beginning = count_of(expected, n, beginnings, COUNT(beginnings)) > 5;
    bool follower = count_of(expected, n, followers, COUNT(followers)) > 5;
    if (statement)
        choices[shown++] = "a statement";
    else if (beginning)
        choices[shown++] = "an expression";
    for (int i = 0; i < n && shown < EXPECTED_SHOWN_MAX; i++) {
        const char *name = expected[i];
        if ((statement && one_of(name, statements, COUNT(statements))) ||
            ((statement || beginning) &&
             one_of(name, beginnings, COUNT(beginnings))) ||
            (follower && one_of(name, followers, COUNT(followers))) ||
            (statement && strcmp(name, "end of line") == 0))
            continue;
        choices[shown++] = name;
    }
    if (shown == 0)
        choices[shown++] = "end of line";
    return join_choices(arena, choices, shown);
}

/* Index of the token at `location`. */
static int64_t token_at(const Parser *parser, Span location)
{
    int64_t i = parser->next < parser->tokens->count
                    ? parser->next
                    : parser->tokens->count - 1;
    while (i > 0 && parser->tokens->data[i].span.begin > location.begin)
        i--;
    while (i > 0 && parser->tokens->data[i].kind != TOKEN_END &&
           parser->tokens->data[i].span.end > location.end)
        i--;
    return i;
}

static bool is_keyword(const Token *token)
{
    return token->kind >= TOKEN_MODEL && token->kind <= TOKEN_FALSE;
}

/* A reserved word that was meant as a name, at or before `token`. */
static const Token *reserved_name(const Parser *parser, const Token *token,
                                  const char *const *expected, int n)
{
    static const char *const name[] = {"a name"};
    if (count_of(expected, n, name, 1) == 0)
        return NULL;
    if (is_keyword(token))
        return token;
    bool binds = token->kind == '=' || token->kind == ',' ||
                 token->kind == ')' || token->kind == ':';
    return binds && token > parser->tokens->data && is_keyword(token - 1)
               ? token - 1
               : NULL;
}

void syntax_error(Parser *parser, const char *const *expected, int n,
                  Span location)
{
    if (errors_abound(parser->diagnostics)) {
        parser->next = parser->tokens->count - 1; /* the end */
        return;
    }
    int64_t at = token_at(parser, location);
    const Token *token = &parser->tokens->data[at];
    Str wanted = expectation(parser->arena, expected, n);
    bool line_ended = token->kind == TOKEN_NEWLINE ||
                      token->kind == TOKEN_END || token->first_on_line;
    if (line_ended && at > 0) {
        const Token *before = token - 1;
        while (before > parser->tokens->data && before->kind == TOKEN_NEWLINE)
            before--;
        Span end = {before->span.source, before->span.end, before->span.end};
        diagnose(parser->diagnostics, end, syntax_after, STR_ARG(wanted),
                 STR_ARG(span_text(parser->diagnostics, before->span)));
        return;
    }
    Diagnostic *d = diagnose(
        parser->diagnostics, token->span, syntax_unexpected,
        STR_ARG(span_text(parser->diagnostics, token->span)), STR_ARG(wanted));
    const Token *reserved = reserved_name(parser, token, expected, n);
    if (reserved)
        diagnostic_remedy(
            parser->diagnostics, d,
            "'%.*s' is a reserved word; as a name, choose "
            "another",
            STR_ARG(span_text(parser->diagnostics, reserved->span)));
}

/* Tokens: a source text as an array of tokens, ready for the parser.
 *
 * flex cuts the text (lexer.l); tokens_arrange (arrange.c) then decides which
 * line ends separate statements and matches brackets, using indentation to
 * find the place when they do not match.
 */
#ifndef DNNC_FRONTEND_TOKEN_H
#define DNNC_FRONTEND_TOKEN_H

#include "support/diagnostic.h"
#include "support/vector.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    BRACKET_DEPTH_MAX = 200,
    NAME_LENGTH_MAX = 255,
    SYNTAX_ERRORS_MAX = 100, /* of one text; then reading it ends */
};

/* Has a text so many mistakes that more would not help? */
static inline bool errors_abound(const Diagnostics *diagnostics)
{
    return diagnostics->list.count > SYNTAX_ERRORS_MAX;
}

typedef struct Token {
    int kind; /* a token number of grammar.y */
    Span span;
    bool first_on_line;
    int32_t indent; /* of its line, in columns */
} Token;
typedef VECTOR(Token) TokenList;

/* Cuts source `source` into tokens; line ends and comments are tokens too
 * (TOKEN_NEWLINE, TOKEN_COMMENT).  Stray characters are diagnosed and left
 * out. */
TokenList tokens_cut(Arena *arena, int32_t source, Diagnostics *diagnostics);

/* What the parser reads: no comments; line ends only where a statement may
 * end; brackets that match.  Diagnoses those that did not. */
TokenList tokens_arrange(Arena *arena, const TokenList *cut,
                         Diagnostics *diagnostics);

/* Brackets; what stands between operands, `then` included. */
bool token_opens(int kind);
bool token_closes(int kind);
bool token_is_operator(int kind);
/* After a token of this kind a line end does not end a statement. */
bool token_continues(int kind);

#endif

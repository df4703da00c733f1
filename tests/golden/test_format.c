/* Golden tests of the formatter (golden.h): a text in, the formatted text out;
 * shipped models and clusters are their own format.  Always: the tokens,
 * comments included, stay the same, and formatting again changes nothing. */
#include "frontend/frontend.h"
#include "frontend/token.h"
#include "grammar.tab.h"
#include "tests/golden/golden.h"

#include <stdio.h>
#include <string.h>

static bool format(Arena *arena, Str name, Str text, Str *out)
{
    Diagnostics d = diagnostics_new(arena);
    int32_t source = diagnostics_add_source(&d, name, text);
    SourceKind kind =
        strstr(name.data, ".mesh") ? SOURCE_CLUSTER : SOURCE_MODEL;
    if (frontend_format(arena, source, kind, &d, out))
        return true;
    printf("%s", diagnostics_print(&d, arena).data);
    return false;
}

static Str token_text(Str text, const Token *token)
{
    Str s = {text.data + token->span.begin,
             token->span.end - token->span.begin};
    while (s.length &&
           (s.data[s.length - 1] == ' ' || s.data[s.length - 1] == '\t'))
        s.length--;
    return s;
}

static int64_t skip_newlines(const TokenList *tokens, int64_t i)
{
    while (tokens->data[i].kind == TOKEN_NEWLINE)
        i++;
    return i;
}

static bool same_tokens(Arena *arena, Str a, Str b)
{
    Diagnostics d = diagnostics_new(arena);
    TokenList x =
        tokens_cut(arena, diagnostics_add_source(&d, STR("a"), a), &d);
    TokenList y =
        tokens_cut(arena, diagnostics_add_source(&d, STR("b"), b), &d);
    int64_t i = 0, k = 0;
    for (;; i++, k++) {
        i = skip_newlines(&x, i);
        k = skip_newlines(&y, k);
        if (x.data[i].kind != y.data[k].kind ||
            !str_equal(token_text(a, &x.data[i]), token_text(b, &y.data[k])))
            return false;
        if (x.data[i].kind == TOKEN_END)
            return true;
    }
}

static Str answer(Str name, Str input, Arena *arena, Arena scratch)
{
    (void)scratch;
    Str once, twice;
    if (!format(arena, name, input, &once) ||
        !format(arena, name, once, &twice))
        return (Str){0};
    if (str_equal(once, twice) && same_tokens(arena, input, once))
        return once;
    printf("%s: formatted\n%sagain\n%s", name.data, once.data, twice.data);
    return (Str){0};
}

int main(int argc, char **argv)
{
    return golden_main(argc, argv, answer);
}

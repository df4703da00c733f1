/* Golden tests of the formatter.
 *
 *     test_format [--bless] FILE...
 *
 * A file is a text, a line "----" and the formatted text; without that line
 * the text must be its own format (shipped models and clusters).  Always: the
 * tokens, comments included, stay the same, and formatting again changes
 * nothing. */
#include "frontend/frontend.h"
#include "frontend/token.h"
#include "grammar.tab.h"
#include "support/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool format(Arena *arena, const char *path, Str text, Str *out)
{
    Diagnostics d = diagnostics_new(arena);
    int32_t source = diagnostics_add_source(&d, str_from(path), text);
    SourceKind kind = strstr(path, ".mesh") ? SOURCE_CLUSTER : SOURCE_MODEL;
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

static bool check(Arena *arena, const char *path, bool blessing)
{
    Str file, once, twice;
    Status read = file_read(arena, path, &file);
    if (status_failed(&read)) {
        fprintf(stderr, "%s\n", read.message);
        return false;
    }
    const char *line = strstr(file.data, "\n----\n");
    Str text = file, expected = file;
    if (line) {
        text.length = line + 1 - file.data;
        expected = str_from(line + 6);
    }
    if (!format(arena, path, text, &once) || !format(arena, path, once, &twice))
        return false;
    if (blessing && line) {
        Text out = text_new(arena);
        text_append(&out, text);
        text_append(&out, STR("----\n"));
        text_append(&out, once);
        Status written = file_write(path, text_str(&out), false);
        return !status_failed(&written);
    }
    bool ok = str_equal(once, expected) && str_equal(once, twice) &&
              same_tokens(arena, text, once);
    if (!ok)
        printf("%s: expected\n%.*sgot\n%.*sagain\n%.*s", path,
               STR_ARG(expected), STR_ARG(once), STR_ARG(twice));
    return ok;
}

int main(int argc, char **argv)
{
    ArenaMemory memory;
    Arena arena = arena_reserve(&memory, (int64_t)1 << 30, NULL);
    bool blessing = argc > 1 && strcmp(argv[1], "--bless") == 0;
    int failed = 0, n = 0;
    for (int i = 1 + blessing; i < argc; i++, n++) {
        Arena own = arena;
        failed += !check(&own, argv[i], blessing);
    }
    printf("%d files, %d failed\n", n, failed);
    arena_release(&memory);
    return failed || n == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

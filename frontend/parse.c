/* Parse: lexer, arrangement and grammar in one call. */
#include "frontend/parse.h"

#include "grammar.tab.h"

enum { SOURCE_BYTES_MAX = 16 << 20 };

static bool parse(Parser *parser, int32_t source)
{
    Diagnostics *diagnostics = parser->diagnostics;
    int64_t errors_before = diagnostics->list.count;
    Str text = diagnostics->sources.data[source].text;
    if (text.length > SOURCE_BYTES_MAX) {
        diagnose(diagnostics, ((Span){source, 0, 0}), source_too_large,
                 (long long)text.length, (long long)SOURCE_BYTES_MAX);
        return false;
    }
    TokenList cut = tokens_cut(parser->arena, source, diagnostics);
    TokenList tokens = tokens_arrange(parser->arena, &cut, diagnostics);
    parser->tokens = &tokens;
    model_yyparse(parser);
    parser->tokens = NULL;
    return diagnostics->list.count == errors_before;
}

bool parse_model(Arena *arena, int32_t source, Diagnostics *diagnostics,
                 StmtList *out)
{
    Parser parser = {
        .arena = arena, .diagnostics = diagnostics, .start = TOKEN_START_MODEL};
    bool ok = parse(&parser, source);
    *out = parser.statements;
    return ok;
}

bool parse_cluster(Arena *arena, int32_t source, Diagnostics *diagnostics,
                   StmtList *out)
{
    Parser parser = {.arena = arena,
                     .diagnostics = diagnostics,
                     .start = TOKEN_START_CLUSTER};
    bool ok = parse(&parser, source);
    *out = parser.statements;
    return ok;
}

bool parse_setting(Arena *arena, int32_t source, Diagnostics *diagnostics,
                   Name *name, Expr **out)
{
    Parser parser = {.arena = arena,
                     .diagnostics = diagnostics,
                     .start = TOKEN_START_SETTING};
    bool ok = parse(&parser, source);
    *name = parser.setting_name;
    *out = parser.expression;
    return ok;
}

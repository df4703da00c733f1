/* Damage: every shipped model with each single token deleted, doubled or
 * swapped with the next one.  Nothing crashes, and of the texts that are
 * rejected at least 95 % have their first diagnostic within two lines of the
 * damage.
 *
 *     test_damage [-v] FILE...      -v prints the others
 */
#include "frontend/frontend.h"
#include "frontend/token.h"
#include "grammar.tab.h"
#include "support/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES_NEAR = 2, NEAR_PERCENT = 95 };

typedef enum Damage { DELETED, DOUBLED, SWAPPED, DAMAGE_COUNT } Damage;
static const char *const damage_names[] = {"deleted", "doubled", "swapped"};

typedef struct Tally {
    int64_t texts, rejected, near;
} Tally;

static bool is_trivia(const Token *token)
{
    return token->kind == TOKEN_NEWLINE || token->kind == TOKEN_COMMENT;
}

static Str cut(Str text, int64_t begin, int64_t end)
{
    return (Str){text.data + begin, end - begin};
}

/* The text with token `at` damaged; `next` is the token after it. */
static Str damaged(Arena *arena, Str text, const Token *at, const Token *next,
                   Damage damage)
{
    Text out = text_new(arena);
    Str token = cut(text, at->span.begin, at->span.end);
    text_append(&out, cut(text, 0, at->span.begin));
    switch (damage) {
    case DELETED: break;
    case DOUBLED:
        text_append(&out, token);
        text_append(&out, STR(" "));
        text_append(&out, token);
        break;
    default:
        text_append(&out, cut(text, next->span.begin, next->span.end));
        text_append(&out, STR(" "));
        text_append(&out, cut(text, at->span.end, next->span.begin));
        text_append(&out, token);
        text_append(&out, STR(" "));
        text_append(&out, cut(text, next->span.end, text.length));
        return text_str(&out);
    }
    text_append(&out, cut(text, at->span.end, text.length));
    return text_str(&out);
}

static int64_t line_of(Str text, int64_t offset)
{
    int64_t line, column;
    source_place(text, offset, &line, &column);
    return line;
}

static bool read_source(Arena *arena, int32_t source, bool is_cluster,
                        Diagnostics *diagnostics)
{
    Model model;
    Mesh mesh;
    return is_cluster
               ? frontend_mesh(arena, source, diagnostics, &mesh)
               : frontend_model(arena, source, NULL, 0, diagnostics, &model);
}

/* True when `text` is accepted or first diagnosed near [first, last]. */
static bool try_text(Arena arena, Str text, bool is_cluster, int64_t first,
                     int64_t last, Tally *tally, bool verbose)
{
    Diagnostics diagnostics = diagnostics_new(&arena);
    int32_t source = diagnostics_add_source(&diagnostics, STR("model"), text);
    tally->texts++;
    if (read_source(&arena, source, is_cluster, &diagnostics))
        return true;
    tally->rejected++;
    Span place = {0};
    for (int64_t i = 0; i < diagnostics.list.count; i++) {
        Span span = diagnostics.list.data[i].span;
        if (i == 0 || (span.source == source &&
                       (place.source != source || span.begin < place.begin)))
            place = span;
    }
    int64_t line = line_of(text, place.begin);
    bool near = place.source == source && line >= first - LINES_NEAR &&
                line <= last + LINES_NEAR;
    tally->near += near;
    if (!near && verbose)
        fputs(diagnostics_print(&diagnostics, &arena).data, stdout);
    return near;
}

static void damage_token(Arena arena, Str text, bool is_cluster,
                         const Token *at, const Token *next, Tally *tally,
                         bool verbose)
{
    for (int damage = 0; damage < DAMAGE_COUNT; damage++) {
        if (damage == SWAPPED && !next)
            continue;
        Str bad = damaged(&arena, text, at, next, (Damage)damage);
        int64_t first = line_of(text, at->span.begin);
        int64_t last =
            damage == SWAPPED ? line_of(text, next->span.begin) : first;
        if (try_text(arena, bad, is_cluster, first, last, tally, verbose) ||
            !verbose)
            continue;
        printf("line %lld: '%.*s' %s\n\n", (long long)first,
               (int)(at->span.end - at->span.begin), text.data + at->span.begin,
               damage_names[damage]);
    }
}

static void damage_file(Arena *arena, const char *path, Str text, Tally *tally,
                        bool verbose)
{
    Diagnostics diagnostics = diagnostics_new(arena);
    int32_t source = diagnostics_add_source(&diagnostics, str_from(path), text);
    TokenList tokens = tokens_cut(arena, source, &diagnostics);
    bool is_cluster = strstr(path, ".mesh") != NULL;
    for (int64_t i = 0; i < tokens.count - 1; i++) {
        if (is_trivia(&tokens.data[i]))
            continue;
        int64_t next = i + 1;
        while (next < tokens.count - 1 && is_trivia(&tokens.data[next]))
            next++;
        damage_token(*arena, text, is_cluster, &tokens.data[i],
                     next < tokens.count - 1 ? &tokens.data[next] : NULL, tally,
                     verbose);
    }
}

int main(int argc, char **argv)
{
    ArenaMemory memory;
    Arena arena = arena_reserve(&memory, (int64_t)1 << 34, NULL);
    bool verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    int status = EXIT_SUCCESS;
    for (int i = 1 + verbose; i < argc; i++) {
        Arena own = arena;
        Str text;
        Status read = file_read(&own, argv[i], &text);
        if (status_failed(&read)) {
            fprintf(stderr, "%s\n", read.message);
            return EXIT_FAILURE;
        }
        Tally tally = {0};
        damage_file(&own, argv[i], text, &tally, verbose);
        printf("%s: %lld texts, %lld rejected, %lld near the damage\n", argv[i],
               (long long)tally.texts, (long long)tally.rejected,
               (long long)tally.near);
        if (tally.rejected == 0 ||
            tally.near * 100 < tally.rejected * NEAR_PERCENT)
            status = EXIT_FAILURE;
    }
    arena_release(&memory);
    return status;
}

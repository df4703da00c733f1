/* Golden: see the header. */
#include "tests/golden/golden.h"

#include "support/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Str golden_line(Str *rest)
{
    int64_t end = 0;
    while (end < rest->length && rest->data[end] != '\n')
        end++;
    Str line = {rest->data, end};
    int64_t used = end < rest->length ? end + 1 : end;
    *rest = (Str){rest->data + used, rest->length - used};
    return line;
}

/* Cuts what is before the line `separator` off *rest, and that line; the whole
 * of it where there is no such line. */
static Str cut_part(Str *rest, const char *separator, bool *found)
{
    Str whole = *rest;
    while (rest->length > 0) {
        const char *begin = rest->data;
        *found = str_equal_c(golden_line(rest), separator);
        if (*found)
            return (Str){whole.data, begin - whole.data};
    }
    *found = false;
    return whole;
}

typedef struct Runner {
    GoldenAnswer *answer;
    Arena *arena;
    Arena scratch;
    Text blessed; /* the file with the answers of now */
    int32_t n_cases, n_failed;
} Runner;

static void run_case(Runner *r, Str name, Str text)
{
    bool has_answer;
    Str expected = text, input = cut_part(&expected, "----", &has_answer);
    if (!has_answer)
        expected = input;
    Str actual =
        r->answer(name, str_copy(r->arena, input), r->arena, r->scratch);
    text_append(&r->blessed, r->blessed.length ? STR("====\n") : STR(""));
    text_append(&r->blessed, input);
    text_append(&r->blessed, has_answer ? STR("----\n") : STR(""));
    if (has_answer)
        text_append(&r->blessed, actual.data ? actual : expected);
    r->n_cases++;
    if (actual.data && str_equal(actual, expected))
        return;
    r->n_failed++;
    if (actual.data)
        printf("%.*s: another answer to\n%.*s-- expected\n%.*s-- actual\n%.*s",
               STR_ARG(name), STR_ARG(input), STR_ARG(expected),
               STR_ARG(actual));
}

static Status run_file(Runner *r, const char *path, bool bless)
{
    Str rest;
    const char *slash = strrchr(path, '/');
    TRY(file_read(r->arena, path, &rest));
    r->blessed = text_new(r->arena);
    for (bool more = true; more;)
        run_case(r, str_from(slash ? slash + 1 : path),
                 cut_part(&rest, "====", &more));
    return bless ? file_write(path, text_str(&r->blessed), false) : status_ok();
}

int golden_main(int argc, char **argv, GoldenAnswer *answer)
{
    ArenaMemory memory;
    Arena arena = arena_reserve(&memory, (int64_t)1 << 32, NULL);
    Runner r = {.answer = answer, .scratch = arena_split(&arena)};
    bool bless = argc > 1 && strcmp(argv[1], "--bless") == 0;
    for (int i = 1 + bless; i < argc; i++) {
        Arena own = arena;
        r.arena = &own;
        Status status = run_file(&r, argv[i], bless);
        if (status_failed(&status)) {
            printf("%s\n", status.message);
            r.n_failed++;
        }
    }
    printf("%d cases, %d failed\n", r.n_cases, r.n_failed);
    arena_release(&memory);
    return r.n_failed || r.n_cases == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Certificates of random small problems: the checker, which shares no code
 * with the solver, derives the optimum or the least limit from each; no damaged
 * one proves anything false; damage that matters is refused. */
#include "solver/certify.h"
#include "solver/iopddl.h"
#include "support/philox.h"
#include "tests/bench/iopddl/certificate_replay.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N_PROBLEMS = 3000, N_DAMAGED = 20, NODES_MAX = 12, CHOICES_MAX = 5 };

typedef struct Draws {
    uint32_t problem, count;
} Draws;

static uint32_t draw(Draws *d, uint32_t n)
{
    return philox(31, d->count++, d->problem, 0, 0).word[0] % n;
}

static void write_numbers(Text *t, Draws *d, int64_t n, uint32_t most,
                          uint32_t forbid)
{
    text_format(t, "[");
    for (int64_t i = 0; i < n; i++)
        text_format(t, "%s%" PRId64, i ? "," : "",
                    forbid > 0 && draw(d, forbid) == 0
                        ? CHOICE_FORBIDDEN
                        : (int64_t)draw(d, most));
    text_format(t, "]");
}

/* Half of them small and tight, with forbidden pairs; half of them larger,
 * with numbers that seldom tie. */
static Str draw_problem(Arena *arena, Draws *d)
{
    bool wide = d->problem % 2;
    uint32_t most = wide ? 50000 : 12, usage = wide ? 1000 : 6;
    int32_t n_choices[NODES_MAX];
    int32_t n = 2 + (int32_t)draw(d, NODES_MAX - 1);
    int32_t n_edges = (int32_t)draw(d, 2 * NODES_MAX);
    Text t = text_new(arena);
    text_format(&t, "{\"problem\": {\"nodes\": {\"intervals\": [");
    for (int32_t v = 0; v < n; v++) {
        uint32_t begin = draw(d, 8);
        n_choices[v] = 1 + (int32_t)draw(d, CHOICES_MAX);
        text_format(&t, "%s[%u,%u]", v ? "," : "", begin, begin + draw(d, 8));
    }
    text_format(&t, "], \"costs\": [");
    for (int32_t v = 0; v < n; v++) {
        text_format(&t, v ? "," : "");
        write_numbers(&t, d, n_choices[v], most, 0);
    }
    text_format(&t, "], \"usages\": [");
    for (int32_t v = 0; v < n; v++) {
        text_format(&t, v ? "," : "");
        write_numbers(&t, d, n_choices[v], usage, 0);
    }
    int32_t ends[2 * NODES_MAX][2];
    text_format(&t, "]}, \"edges\": {\"nodes\": [");
    for (int32_t e = 0; e < n_edges; e++) {
        ends[e][0] = (int32_t)draw(d, (uint32_t)n);
        ends[e][1] = (int32_t)draw(d, (uint32_t)n);
        text_format(&t, "%s[%d,%d]", e ? "," : "", ends[e][0], ends[e][1]);
    }
    text_format(&t, "], \"costs\": [");
    for (int32_t e = 0; e < n_edges; e++) {
        text_format(&t, e ? "," : "");
        write_numbers(&t, d, n_choices[ends[e][0]] * n_choices[ends[e][1]],
                      most, wide ? 0 : 6);
    }
    text_format(&t, "]}, \"usage_limit\": %u}}\n",
                usage * (uint32_t)n / 8 + draw(d, usage * 2));
    return text_str(&t);
}

static int64_t read_text(void *context, char *bytes, int64_t size)
{
    Str *text = context;
    int64_t n = size < text->length ? size : text->length;
    memcpy(bytes, text->data, (size_t)n);
    text->data += n;
    text->length -= n;
    return n;
}

static int64_t read_problem(void *context, char *bytes, int64_t n,
                            const char **wrong)
{
    (void)wrong;
    return read_text(context, bytes, n);
}

static Verdict replay(Str problem, Str certificate)
{
    return certificate_replay(problem.data, (size_t)problem.length, read_text,
                              &certificate);
}

/* The certificate with its claim raised by one: it is false. */
static Str raise_claim(Arena *arena, Str text, int64_t claim)
{
    int64_t word = strcspn(text.data, " ");
    int64_t line = strcspn(text.data, "\n");
    return str_format(arena, "%.*s %" PRId64 "%s", (int)word, text.data,
                      claim + 1, text.data + line);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Changes a number, drops a line or doubles one, after the header. */
static Str damage(Arena *arena, Str text, Draws *d)
{
    int64_t body = strstr(text.data, "scale") - text.data;
    int64_t at = body + (int64_t)draw(d, (uint32_t)(text.length - body));
    uint32_t kind = draw(d, 4);
    Text out = text_new(arena);
    if (kind < 2) {
        while (at > body && !is_digit(text.data[at]))
            at--;
        int64_t end = at;
        while (at > body && is_digit(text.data[at - 1]))
            at--;
        while (is_digit(text.data[end]))
            end++;
        int64_t number = strtoll(text.data + at, NULL, 10);
        number = kind == 0 ? number + 1 : draw(d, 12);
        text_append(&out, (Str){text.data, at});
        text_format(&out, "%" PRId64, number);
        text_append(&out, (Str){text.data + end, text.length - end});
        return text_str(&out);
    }
    int64_t end = at;
    while (at > body && text.data[at - 1] != '\n')
        at--;
    while (text.data[end] != '\n')
        end++;
    int64_t second = kind == 2 ? end + 1 : at;
    text_append(&out, (Str){text.data, end + 1});
    if (kind == 2)
        out.length = at;
    text_append(&out, (Str){text.data + second, text.length - second});
    return text_str(&out);
}

typedef struct Tally {
    int64_t optimal, infeasible, forbidden, split, damaged, refused;
} Tally;

/* The proof of a false claim, or a damaged one, proves nothing false. */
static void check_damage(Arena arena, Str problem, Str certificate,
                         int64_t claim, Draws *d, Tally *tally)
{
    Str raised = raise_claim(&arena, certificate, claim);
    assert_false(replay(problem, raised).proved);
    for (int k = 0; k < N_DAMAGED; k++) {
        Arena inner = arena;
        Verdict v = replay(problem, damage(&inner, certificate, d));
        tally->damaged++;
        tally->refused += !v.proved;
        assert_false(replay(problem, damage(&inner, raised, d)).proved);
    }
    Str cut = {certificate.data, certificate.length - 2}; /* the last part */
    assert_false(replay(problem, cut).proved);
}

static void check_problem(Arena arena, Arena scratch, Draws *d, Tally *tally)
{
    Str json = draw_problem(&arena, d), rest = json;
    IopddlProblem p;
    Status status = iopddl_read(&arena, scratch, read_problem, &rest, &p);
    assert_false(status_failed(&status));
    ChoiceOptions options = {0};
    ChoiceSolution s = choice_solve(&arena, scratch, &p.problem, &options);
    Certificate c = certify(&arena, scratch, &p.problem, &s, &options);
    Verdict v = replay(json, c.text);
    if (!v.proved)
        print_message("problem %u, line %" PRId64 ": %s\n%s%s", d->problem,
                      v.line, v.why, json.data, c.text.data);
    assert_true(v.proved);
    assert_int_equal(v.claim, c.claim);
    assert_int_equal(v.infeasible, s.status != CHOICE_OPTIMAL);
    if (s.status == CHOICE_OPTIMAL)
        assert_int_equal(v.claim, s.cost);
    else if (s.status == CHOICE_INFEASIBLE)
        assert_int_equal(v.claim, s.least_peak - 1);
    tally->optimal += s.status == CHOICE_OPTIMAL;
    tally->infeasible += s.status == CHOICE_INFEASIBLE;
    tally->forbidden += s.status == CHOICE_FORBIDDEN_ALL;
    tally->split += v.n_parts > 1;
    if (s.status != CHOICE_FORBIDDEN_ALL && d->problem % 8 < 2)
        check_damage(arena, json, c.text, c.claim, d, tally);
}

static void certificates_check(void **state)
{
    (void)state;
    ArenaMemory memory;
    Arena arena = arena_reserve(&memory, INT64_C(1) << 32, NULL);
    Arena scratch = arena_split(&arena);
    Tally t = {0};
    for (uint32_t number = 0; number < N_PROBLEMS; number++) {
        Draws d = {number, 0};
        check_problem(arena, scratch, &d, &t);
    }
    print_message("optimal %d, infeasible %d, all forbidden %d; split %d; "
                  "refused %d of %d damaged\n",
                  (int)t.optimal, (int)t.infeasible, (int)t.forbidden,
                  (int)t.split, (int)t.refused, (int)t.damaged);
    assert_true(t.optimal > N_PROBLEMS / 3);
    assert_true(t.infeasible > N_PROBLEMS / 20);
    assert_true(t.forbidden > 0);
    assert_true(t.split > N_PROBLEMS / 20);
    assert_true(t.refused > t.damaged / 2);
    arena_release(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(certificates_check)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

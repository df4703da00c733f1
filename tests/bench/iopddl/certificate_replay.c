/* Replay: numbers from bytes, steps from numbers, parts from steps. */
#include "certificate_replay.h"

#include "certificate_steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Parts that wait at once: each holds a copy of what is left. */
enum { DEPTH_MAX = 1000, READ_BYTES = 1 << 16 };

typedef struct Replay {
    Check check;
    CertificateRead *read;
    void *context;
    char *bytes;
    int64_t at, size;
    int64_t line, n_parts;
    int32_t depth;
    State *part[DEPTH_MAX]; /* the last is worked on */
    Problem problem;
    bool infeasible;
    int64_t claim, cost;
} Replay;

static int peek(Replay *r)
{
    if (r->at == r->size) {
        r->at = 0;
        r->size = r->read(r->context, r->bytes, READ_BYTES);
        if (r->size < 0)
            certificate_refuse(&r->check, "unreadable");
    }
    return r->size == 0 ? -1 : (unsigned char)r->bytes[r->at];
}

static int next(Replay *r)
{
    int c = peek(r);
    r->at += c >= 0;
    return c;
}

static int64_t read_number(Replay *r)
{
    int64_t value = 0;
    if (next(r) != ' ')
        certificate_refuse(&r->check, "too few numbers");
    bool negative = peek(r) == '-';
    if (negative)
        next(r);
    if (peek(r) < '0' || peek(r) > '9')
        certificate_refuse(&r->check, "not a number");
    while (peek(r) >= '0' && peek(r) <= '9') {
        int digit = next(r) - '0';
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            certificate_refuse(&r->check, "a number beyond 2^63");
    }
    return negative ? -value : value;
}

static void end_line(Replay *r)
{
    if (next(r) != '\n')
        certificate_refuse(&r->check, "more on the line than belongs");
    r->line++;
}

static void expect_word(Replay *r, const char *word)
{
    for (; *word; word++)
        if (next(r) != *word)
            certificate_refuse(&r->check, "not a certificate");
}

static Node *read_node(Replay *r, State *s)
{
    return state_node(s, read_number(r));
}

/* A count of at most `most`. */
static int64_t read_count(Replay *r, int64_t most)
{
    int64_t n = read_number(r);
    if (n < 0 || n > most)
        certificate_refuse(&r->check, "a count out of range");
    return n;
}

/* Both ends of an edge. */
static void read_ends(Replay *r, State *s, Node **u, Node **v)
{
    *u = read_node(r, s);
    *v = read_node(r, s);
}

static void read_rows(Replay *r, State *s)
{
    bool *kept = POOL_NEW(s->pool, bool, s->n_rows);
    int64_t n = read_count(r, s->n_rows);
    for (int64_t k = 0; k < n; k++)
        kept[state_row(s, read_number(r))] = true;
    step_rows(s, kept);
}

static void read_messages(Replay *r, State *s)
{
    Node *u, *v;
    read_ends(r, s, &u, &v);
    int64_t *message =
        POOL_NEW(s->pool, int64_t, (int64_t)u->n_left + v->n_left);
    for (int64_t i = 0; i < (int64_t)u->n_left + v->n_left; i++)
        message[i] = read_number(r);
    step_messages(s, u, message, v, message + u->n_left);
}

static void read_prices(Replay *r, State *s)
{
    int64_t n = read_count(r, s->n_rows);
    for (int32_t row = 0; row < s->n_rows; row++)
        s->price[row] = 0;
    for (int64_t k = 0; k < n; k++) {
        int32_t row = state_row(s, read_number(r));
        step_price(s, row, read_number(r));
    }
}

static void read_bound(Replay *r, State *s)
{
    Wide *marginal = step_bound(s);
    int64_t *first = POOL_NEW(s->pool, int64_t, s->n_nodes + 1);
    for (int32_t v = 0; v < s->n_nodes; v++)
        first[v + 1] = first[v] + s->nodes[v].n_choices;
    int64_t n = read_count(r, first[s->n_nodes]);
    for (int64_t k = 0; k < n; k++) {
        Node *v = read_node(r, s);
        int32_t i = state_choice(s, v, read_number(r));
        if (marginal[first[v - s->nodes] + i] <= s->most)
            certificate_refuse(&r->check,
                               "a choice's marginal is below the claim");
        state_remove_choice(s, v, i);
    }
}

static void read_split(Replay *r, State *s)
{
    Node *v = read_node(r, s);
    int32_t i = state_choice(s, v, read_number(r));
    int64_t label = v->label[i], name = v->name;
    if (r->depth == DEPTH_MAX)
        certificate_refuse(&r->check, "more than %d splits deep",
                           (int)DEPTH_MAX);
    State *part = state_copy(s);
    Node *of_part = state_node(part, name);
    int32_t kept = state_choice(part, of_part, label);
    for (int32_t j = 0; j < of_part->n_choices; j++)
        if (j != kept)
            state_remove_choice(part, of_part, j);
    state_remove_choice(s, v, i);
    r->part[r->depth++] = part;
    r->n_parts++;
}

/* The part is proved: the one that waits for it goes on. */
static void close_part(Replay *r, State *s)
{
    if (!state_closed(s))
        certificate_refuse(&r->check, "a part's bound is below the claim");
    r->depth--;
    state_free(s);
}

static void read_step(Replay *r, State *s)
{
    Node *u, *v;
    int kind = next(r);
    if (s->contradiction && kind != 'c')
        certificate_refuse(&r->check, "a step where nothing is left");
    switch (kind) {
    case 'a':
        read_ends(r, s, &u, &v);
        step_arc(s, u, v);
        break;
    case 'm':
        read_ends(r, s, &u, &v);
        step_modular(s, u, v);
        break;
    case 'w':
        read_ends(r, s, &v, &u);
        step_follow(s, v, u);
        break;
    case 'e': step_eliminate(s, read_node(r, s)); break;
    case 'd': {
        v = read_node(r, s);
        int32_t i = state_choice(s, v, read_number(r));
        step_dominated(s, v, i, state_choice(s, v, read_number(r)));
        break;
    }
    case 'r': read_rows(r, s); break;
    case 'u': {
        v = read_node(r, s);
        int32_t i = state_choice(s, v, read_number(r));
        step_exceeding(s, v, i, state_row(s, read_number(r)));
        break;
    }
    case 'o': step_overfull(s, state_row(s, read_number(r))); break;
    case 'q': read_messages(r, s); break;
    case 'p': read_prices(r, s); break;
    case 'b': read_bound(r, s); break;
    case 's': read_split(r, s); break;
    case 'c': close_part(r, s); break;
    default: certificate_refuse(&r->check, "no such step");
    }
    end_line(r);
}

/* A bound above this, in 2^-bits of a cost times 2^scale, proves the claim:
 * costs are whole. */
static Wide most_short(int64_t claim, int scale, int bits)
{
    Wide below = ((Wide)claim - 1) * ((Wide)1 << bits);
    return scale >= 0 ? below * ((Wide)1 << scale) : below >> -scale;
}

static void read_solution(Replay *r, Pool *pool)
{
    int32_t *choice = POOL_NEW(pool, int32_t, r->problem.n_nodes);
    expect_word(r, "solution");
    for (int32_t v = 0; v < r->problem.n_nodes; v++)
        choice[v] = (int32_t)read_count(r, r->problem.nodes[v].n_choices - 1);
    end_line(r);
    r->cost = problem_evaluate(&r->problem, pool, choice);
}

static void read_header(Replay *r, Pool *pool)
{
    r->infeasible = peek(r) == 'l';
    expect_word(r, r->infeasible ? "limit" : "cost");
    r->claim = read_number(r);
    end_line(r);
    expect_word(r, "scale");
    int64_t scale = read_number(r), bits = read_number(r);
    end_line(r);
    if (scale < -40 || scale > 24 || bits < 0 || bits > 20 ||
        r->claim < -INT64_C(4000000000000000000) ||
        r->claim > INT64_C(4000000000000000000))
        certificate_refuse(&r->check, "a claim or a scale out of range");
    if (!r->infeasible)
        read_solution(r, pool);
    else if (r->claim < r->problem.usage_limit)
        certificate_refuse(&r->check, "the claim is below the limit");
    else
        r->problem.usage_limit = r->claim;
    State *s = state_new(&r->check, &r->problem, (int)scale, r->infeasible);
    s->price_bits = (int32_t)bits;
    s->most = most_short(r->infeasible ? 1 : r->claim, (int)scale, (int)bits);
    r->part[r->depth++] = s;
    r->n_parts = 1;
}

static void replay(Replay *r, const char *problem, size_t size, int64_t *limit)
{
    Pool *pool = pool_new(&r->check);
    r->bytes = POOL_NEW(pool, char, READ_BYTES);
    problem_read(&r->problem, pool, problem, size);
    *limit = r->problem.usage_limit;
    read_header(r, pool);
    while (r->depth > 0)
        read_step(r, r->part[r->depth - 1]);
    if (peek(r) >= 0)
        certificate_refuse(&r->check, "more after the end");
}

Verdict certificate_replay(const char *problem, size_t problem_size,
                           CertificateRead *read, void *context)
{
    Verdict verdict = {0};
    Replay *r = calloc(1, sizeof *r);
    if (!r) {
        snprintf(verdict.why, sizeof verdict.why, "out of memory");
        return verdict;
    }
    r->read = read;
    r->context = context;
    r->line = 1;
    if (setjmp(r->check.refused) == 0) {
        replay(r, problem, problem_size, &verdict.limit);
        verdict.proved = true;
    }
    verdict.infeasible = r->infeasible;
    verdict.claim = r->claim;
    verdict.cost = r->cost;
    verdict.n_parts = r->n_parts;
    verdict.line = r->line;
    memcpy(verdict.why, r->check.why, sizeof verdict.why);
    pool_free_all(&r->check);
    free(r);
    return verdict;
}

/* The contest's format: what is read, and that each mistake is named with its
 * place.  Every proper prefix of a good file is an error, too. */
#include "solver/iopddl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

static ArenaMemory memory;
static Arena arena, scratch;

typedef struct Bytes {
    const char *data;
    int64_t length;
} Bytes;

/* At most 7 bytes at a time, so that every token meets a refill. */
static int64_t read_bytes(void *context, char *bytes, int64_t n,
                          const char **wrong)
{
    Bytes *b = context;
    (void)wrong;
    n = n < 7 ? n : 7;
    n = n < b->length ? n : b->length;
    memcpy(bytes, b->data, (size_t)n);
    b->data += n;
    b->length -= n;
    return n;
}

static Status read_text(const char *text, int64_t length, IopddlProblem *out)
{
    Bytes bytes = {text, length};
    Arena perm = arena;
    return iopddl_read(&perm, scratch, read_bytes, &bytes, out);
}

#define NODES                                       \
    "\"nodes\": {\"intervals\": [[0, 2], [1, 3]], " \
    "\"costs\": [[1, 2], [3, 4, 5]], \"usages\": [[6, 7], [8, 9, 1]]}"
#define EDGES                           \
    "\"edges\": {\"nodes\": [[0, 1]], " \
    "\"costs\": [[1, 2, 3, 4, 5, 1000000000000000000]]}"
#define GOOD                                                                  \
    "{\"problem\": {\"name\": \"x\\\"y\", \"other\": {\"a\": [1.5e3, null]}," \
    " " EDGES ", " NODES ", \"usage_limit\": 15}}\n"

static void reads_a_problem(void **state)
{
    (void)state;
    IopddlProblem p;
    Status status = read_text(GOOD, (int64_t)strlen(GOOD), &p);
    assert_int_equal(status.code, STATUS_OK);
    assert_true(str_equal_c(p.name, "x\"y"));
    assert_int_equal(p.problem.n_nodes, 2);
    assert_int_equal(p.problem.n_edges, 1);
    assert_int_equal(p.problem.usage_limit, 15);
    assert_int_equal(p.problem.nodes[1].cost[2], 5);
    assert_int_equal(p.problem.nodes[0].intervals[0].usage[1], 7);
    assert_int_equal(p.problem.edges[0].cost[4], 5);
    assert_true(p.problem.edges[0].cost[5] >= CHOICE_FORBIDDEN);
    ChoiceOptions options = {0};
    Arena perm = arena;
    ChoiceSolution s = choice_solve(&perm, scratch, &p.problem, &options);
    assert_int_equal(s.status, CHOICE_OPTIMAL);
    assert_int_equal(s.cost, 1 + 3 + 1);
}

/* An edge of three nodes: cheapest where all differ. */
static void reads_hyperedges(void **state)
{
    (void)state;
    static const char text[] =
        "{\"problem\": {\"nodes\": {\"intervals\": [[0,1],[0,1],[0,1]], "
        "\"costs\": [[0,0],[0,0],[0,5]], \"usages\": [[0,0],[0,0],[0,0]]}, "
        "\"edges\": {\"nodes\": [[0,1,2],[1]], "
        "\"costs\": [[9,9,9,1,9,9,9,9],[0,1]]}}}";
    IopddlProblem p;
    Status status = read_text(text, sizeof text - 1, &p);
    assert_int_equal(status.code, STATUS_OK);
    assert_int_equal(p.n_nodes, 3);
    ChoiceOptions options = {0};
    Arena perm = arena;
    ChoiceSolution s = choice_solve(&perm, scratch, &p.problem, &options);
    assert_int_equal(s.cost, 1 + 5 + 1);
    assert_int_equal(s.choice[0], 0);
    assert_int_equal(s.choice[1], 1);
    assert_int_equal(s.choice[2], 1);
}

static void prefixes_are_errors(void **state)
{
    (void)state;
    IopddlProblem p;
    for (int64_t n = 0; n < (int64_t)strlen(GOOD) - 1; n++) {
        Status status = read_text(GOOD, n, &p);
        assert_int_equal(status.code, STATUS_INPUT);
        assert_non_null(strstr(status.message, "byte "));
    }
}

typedef struct Mistake {
    const char *text, *message;
} Mistake;

#define NODES_BUT(intervals, costs, usages)                \
    "{\"problem\": {\"nodes\": {\"intervals\": " intervals \
    ", \"costs\": " costs ", \"usages\": " usages "}}}"
#define EDGES_BUT(nodes, costs)                               \
    "{\"problem\": {" NODES ", \"edges\": {\"nodes\": " nodes \
    ", \"costs\": " costs "}}}"

static const Mistake MISTAKES[] = {
    {"[]", "byte 0: '[' where '{' should be"},
    {"{}", "problem is missing"},
    {"{\"problem\": {}}", "problem.nodes is missing"},
    {"{\"problem\": {\"nodes\": {\"costs\": []}}}",
     "nodes.intervals is missing"},
    {"{\"problem\": {" NODES "}} x", "more text after the problem"},
    {"{\"problem\": {" NODES ", " NODES "}}", "nodes appears twice"},
    {"{\"problem\": {" NODES ", \"usage_limit\": 1.5}}",
     "usage_limit: byte 132: a number that is no integer"},
    {"{\"problem\": {" NODES ", \"usage_limit\": 9223372036854775808}}",
     "a number beyond 64 bits"},
    {"{\"problem\": {" NODES ", \"usage_limit\": -1}}", "is negative"},
    {NODES_BUT("[[0,1]]", "[[1]]", "[[9223372036854775807]]"),
     "usages whose sum exceeds 10^15"},
    {"{\"problem\": {" NODES ", \"edges\": {\"nodes\": []}}}",
     "edges.costs is missing"},
    {NODES_BUT("[[0,1]]", "[[1],[2]]", "[[1],[2]]"),
     "nodes.intervals has 1 elements, nodes.costs has 2"},
    {NODES_BUT("[[0]]", "[[1]]", "[[1]]"),
     "nodes.intervals[0]: not a begin and an end"},
    {NODES_BUT("[[-1,1]]", "[[1]]", "[[1]]"),
     "nodes.intervals[0]: begins before time 0"},
    {NODES_BUT("[[0,1],[3,2]]", "[[1],[1]]", "[[1],[1]]"),
     "nodes.intervals[1]: ends before it begins"},
    {NODES_BUT("[[0,1]]", "[[]]", "[[]]"), "nodes.costs[0]: no choices"},
    {NODES_BUT("[[0,1]]", "[[1,2]]", "[[1]]"),
     "nodes.usages[0]: not as many usages as the node has costs"},
    {NODES_BUT("[[0,1]]", "[[1]]", "[[-1]]"),
     "nodes.usages[0]: a negative usage"},
    {NODES_BUT("[[0,1]]", "[[1, true]]", "[[-1]]"),
     "nodes.costs[0]: byte 59: 't' where an integer should be"},
    {NODES_BUT("[[0,1]]", "[[-5000000000000000000]]", "[[1]]"),
     "costs whose sum exceeds 4 * 10^18"},
    {NODES_BUT("[[0,1]]", "[[1]]", "[[2000000000000000]]"),
     "usages whose sum exceeds 10^15"},
    {EDGES_BUT("[[0,2]]", "[[1]]"), "edges.nodes[0]: no such node"},
    {EDGES_BUT("[[0,-1]]", "[[1]]"), "edges.nodes[0]: no such node"},
    {EDGES_BUT("[[]]", "[[1]]"), "edges.nodes[0]: an edge of no nodes"},
    {EDGES_BUT("[[0,1]]", "[[1,2,3,4,5]]"),
     "edges.costs[0]: 5 entries where the nodes' choices multiply to 6"},
    {EDGES_BUT("[[0,1],[1,0]]", "[[1,2,3,4,5,6]]"),
     "edges.nodes has 2 elements, edges.costs has 1"},
    {"{\"problem\": {\"nodes\": {\"intervals\": [[0,1], 5]}}}",
     "nodes.intervals[1]: byte 44: '5' where '[' should be"},
    {"{\"problem\": {\"nodes\": {\"intervals\": [[0,1] [0]]}}}",
     "byte 43: '[' where ',' should be"},
    {"{\"a\": "
     "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
     "more than 64 levels of nesting"},
};

static void mistakes_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof MISTAKES / sizeof *MISTAKES; i++) {
        IopddlProblem p;
        Status status =
            read_text(MISTAKES[i].text, (int64_t)strlen(MISTAKES[i].text), &p);
        assert_int_equal(status.code, STATUS_INPUT);
        if (!strstr(status.message, MISTAKES[i].message))
            fail_msg("mistake %zu: \"%s\" instead of \"%s\"", i, status.message,
                     MISTAKES[i].message);
    }
}

/* A gzip file cut at every tenth byte, and one with a damaged byte. */
static void damaged_gzip_is_named(void **state)
{
    (void)state;
    char path[] = "/tmp/dnnc-iopddl-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    gzFile gz = gzopen(path, "wb");
    assert_true(gzwrite(gz, GOOD, (unsigned)strlen(GOOD)) > 0);
    gzclose(gz);
    char packed[1024];
    FILE *file = fopen(path, "rb");
    size_t size = fread(packed, 1, sizeof packed, file);
    fclose(file);
    IopddlProblem p;
    Arena perm = arena;
    Status status = iopddl_read_file(&perm, scratch, path, &p);
    assert_int_equal(status.code, STATUS_OK);
    for (size_t n = 20; n < size - 8; n += 10) {
        assert_int_equal(truncate(path, (off_t)n), 0);
        status = iopddl_read_file(&perm, scratch, path, &p);
        assert_int_equal(status.code, STATUS_INPUT);
        assert_non_null(strstr(status.message, path));
        file = fopen(path, "wb");
        fwrite(packed, 1, size, file);
        fclose(file);
    }
    packed[size / 2] = (char)~packed[size / 2];
    file = fopen(path, "wb");
    fwrite(packed, 1, size, file);
    fclose(file);
    status = iopddl_read_file(&perm, scratch, path, &p);
    assert_int_equal(status.code, STATUS_INPUT);
    unlink(path);
    status = iopddl_read_file(&perm, scratch, path, &p);
    assert_int_equal(status.code, STATUS_INPUT);
}

/* A node with two intervals, one with none, parallel edges and a pair that is
 * forbidden; the limit rules the cheapest out. */
static void what_is_written_is_read(void **state)
{
    (void)state;
    static const int64_t costs[3][2] = {{0, 4}, {0, 5}, {0, 6}};
    static const int64_t usages[3][2] = {{8, 1}, {8, 3}, {2, 2}};
    static const int64_t pairs[2][4] = {{0, 1, 2, CHOICE_FORBIDDEN},
                                        {1, 0, 0, 9}};
    const ChoiceInterval first[] = {{0, 2, usages[0]}, {3, 5, usages[1]}};
    const ChoiceInterval last[] = {{1, 4, usages[2]}};
    const ChoiceNode nodes[] = {{2, 2, costs[0], first},
                                {2, 0, costs[1], NULL},
                                {2, 1, costs[2], last}};
    const ChoiceEdge edges[] = {
        {1, 0, pairs[0]}, {0, 1, pairs[1]}, {2, 0, pairs[1]}};
    for (int64_t limit = 2; limit <= 10; limit++) {
        ChoiceProblem p = {3, 3, nodes, edges, limit};
        ChoiceOptions options = {0};
        Arena perm = arena;
        IopddlProblem again;
        Str text = iopddl_print(&perm, STR("x"), &p);
        Bytes bytes = {text.data, text.length};
        Status status = iopddl_read(&perm, scratch, read_bytes, &bytes, &again);
        assert_int_equal(status.code, STATUS_OK);
        assert_int_equal(again.n_nodes, 4); /* one for the second interval */
        ChoiceSolution a = choice_solve(&perm, scratch, &p, &options);
        ChoiceSolution b =
            choice_solve(&perm, scratch, &again.problem, &options);
        assert_int_equal(a.status,
                         limit < 5 ? CHOICE_INFEASIBLE : CHOICE_OPTIMAL);
        assert_int_equal(a.status, b.status);
        assert_int_equal(a.least_peak, b.least_peak);
        if (a.status == CHOICE_OPTIMAL)
            assert_int_equal(a.cost, b.cost);
    }
}

int main(void)
{
    arena = arena_reserve(&memory, INT64_C(1) << 30, NULL);
    scratch = arena_split(&arena);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_problem),
        cmocka_unit_test(reads_hyperedges),
        cmocka_unit_test(prefixes_are_errors),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(damaged_gzip_is_named),
        cmocka_unit_test(what_is_written_is_read),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_release(&memory);
    return failed;
}

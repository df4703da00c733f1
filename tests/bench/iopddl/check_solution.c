/* check_solution PROBLEM SOLUTION: evaluates a solution of an IOPDDL problem.
 *
 * Shares no code with the solver: its own zlib reading, jansson for the JSON,
 * usage added up time by time on a plain array.  Prints cost, peak and
 * whether the solution's own claims hold; exit status 0 when the solution is
 * feasible and its claimed cost is its cost, 1 otherwise.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const int64_t FORBIDDEN = 100000000000000000;

static json_t *load(const char *path)
{
    gzFile file = gzopen(path, "rb");
    if (!file)
        return NULL;
    size_t size = 0, capacity = 1 << 20;
    char *bytes = malloc(capacity);
    int got = 0;
    while (bytes && (got = gzread(file, bytes + size,
                                  (unsigned)(capacity - size))) > 0) {
        size += (size_t)got;
        if (size == capacity) {
            char *more = realloc(bytes, capacity *= 2);
            if (!more)
                free(bytes);
            bytes = more;
        }
    }
    gzclose(file);
    json_t *json = bytes ? json_loadb(bytes, size, 0, NULL) : NULL;
    free(bytes);
    return json;
}

static int64_t number(const json_t *array, size_t i)
{
    return json_integer_value(json_array_get(array, i));
}

typedef struct Problem {
    const json_t *intervals, *costs, *usages, *edge_nodes, *edge_costs;
    int64_t limit;
    const json_t *choice;
} Problem;

static bool add_cost(int64_t cost, int64_t *total)
{
    *total += cost < FORBIDDEN ? cost : 0;
    return cost < FORBIDDEN;
}

static bool add_node_costs(const Problem *p, int64_t *total)
{
    bool allowed = true;
    for (size_t v = 0; v < json_array_size(p->costs); v++) {
        const json_t *cost = json_array_get(p->costs, v);
        int64_t x = number(p->choice, v);
        if (x < 0 || x >= (int64_t)json_array_size(cost))
            return false;
        allowed &= add_cost(number(cost, (size_t)x), total);
    }
    return allowed;
}

static bool add_edge_costs(const Problem *p, int64_t *total)
{
    bool allowed = true;
    for (size_t e = 0; e < json_array_size(p->edge_nodes); e++) {
        const json_t *ends = json_array_get(p->edge_nodes, e);
        size_t entry = 0;
        for (size_t k = 0; k < json_array_size(ends); k++) {
            size_t v = (size_t)number(ends, k);
            entry = entry * json_array_size(json_array_get(p->costs, v)) +
                    (size_t)number(p->choice, v);
        }
        allowed &=
            add_cost(number(json_array_get(p->edge_costs, e), entry), total);
    }
    return allowed;
}

static int64_t peak_usage(const Problem *p)
{
    int64_t last = 0, peak = 0, usage = 0;
    for (size_t v = 0; v < json_array_size(p->intervals); v++) {
        int64_t end = number(json_array_get(p->intervals, v), 1);
        last = end > last ? end : last;
    }
    int64_t *change = calloc((size_t)last + 1, sizeof *change);
    if (!change)
        return INT64_MAX;
    for (size_t v = 0; v < json_array_size(p->intervals); v++) {
        const json_t *span = json_array_get(p->intervals, v);
        int64_t used =
            number(json_array_get(p->usages, v), (size_t)number(p->choice, v));
        change[number(span, 0)] += used;
        change[number(span, 1)] -= used;
    }
    for (int64_t t = 0; t <= last; t++) {
        usage += change[t];
        peak = usage > peak ? usage : peak;
    }
    free(change);
    return peak;
}

static int check(const json_t *problem, const json_t *solution)
{
    const json_t *nodes = json_object_get(problem, "nodes");
    const json_t *edges = json_object_get(problem, "edges");
    Problem p = {
        .intervals = json_object_get(nodes, "intervals"),
        .costs = json_object_get(nodes, "costs"),
        .usages = json_object_get(nodes, "usages"),
        .edge_nodes = json_object_get(edges, "nodes"),
        .edge_costs = json_object_get(edges, "costs"),
        .limit = json_integer_value(json_object_get(problem, "usage_limit")),
        .choice = json_object_get(solution, "solution")};
    if (json_array_size(p.choice) != json_array_size(p.costs)) {
        printf("the solution has %zu choices for %zu nodes\n",
               json_array_size(p.choice), json_array_size(p.costs));
        return 1;
    }
    int64_t cost = 0;
    bool allowed = add_node_costs(&p, &cost) && add_edge_costs(&p, &cost);
    int64_t peak = allowed ? peak_usage(&p) : 0;
    int64_t claimed = json_integer_value(json_object_get(solution, "cost"));
    printf("cost %" PRId64 " claimed %" PRId64 " peak %" PRId64
           " limit %" PRId64 "%s%s\n",
           cost, claimed, peak, p.limit, allowed ? "" : " FORBIDDEN",
           peak > p.limit ? " OVER" : "");
    return allowed && peak <= p.limit && cost == claimed ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: check_solution PROBLEM SOLUTION\n");
        return 2;
    }
    json_t *problem = load(argv[1]), *solution = load(argv[2]);
    if (!problem || !solution) {
        fprintf(stderr, "check_solution: unreadable input\n");
        return 2;
    }
    int wrong = check(json_object_get(problem, "problem"), solution);
    json_decref(problem);
    json_decref(solution);
    return wrong;
}

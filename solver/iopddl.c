/* IOPDDL: reading lists of lists, then checking that they fit together. */
#include "solver/iopddl.h"

#include "solver/json_stream.h"
#include "support/checked.h"
#include "support/vector.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

/* A list of integers; lists lie one after the other in large pieces. */
typedef struct List {
    int64_t *item;
    int64_t n;
} List;

typedef struct Lists {
    const char *name; /* of the field */
    bool present;
    VECTOR(List) list;
} Lists;

typedef struct Reader {
    Arena *arena;
    JsonStream stream;
    int64_t *piece; /* room for items: piece[used ... size) */
    int64_t used, size;
    Lists intervals, costs, usages, edge_nodes, edge_costs;
    bool has_limit, has_nodes, has_edges, has_problem;
    int64_t limit;
    char name[JSON_NAME_BYTES];
} Reader;

enum { PIECE_ITEMS = 1 << 16 };

/* Moves an unfinished list of n items to the start of a larger piece. */
static void grow_piece(Reader *r, int64_t n)
{
    int64_t size = max_i64(PIECE_ITEMS, 4 * n);
    int64_t *piece = arena_new(r->arena, int64_t, size);
    if (n > 0)
        memcpy(piece, r->piece + r->used - n, sizeof(int64_t) * (size_t)n);
    r->piece = piece;
    r->used = n;
    r->size = size;
}

static bool read_list(Reader *r, List *list)
{
    bool first = true;
    list->n = 0;
    if (!stream_expect(&r->stream, '['))
        return false;
    while (stream_next(&r->stream, &first, ']')) {
        if (r->used == r->size)
            grow_piece(r, list->n);
        if (!stream_integer(&r->stream, &r->piece[r->used]))
            return false;
        r->used++;
        list->n++;
    }
    list->item = r->piece + r->used - list->n;
    return !r->stream.failed;
}

static bool read_lists(Reader *r, Lists *lists)
{
    bool first = true;
    if (lists->present)
        return stream_fail(&r->stream, "%s appears twice", lists->name);
    lists->present = true;
    if (!stream_expect(&r->stream, '['))
        return false;
    while (stream_next(&r->stream, &first, ']')) {
        List list;
        if (lists->list.count == INT32_MAX)
            return stream_fail(&r->stream, "too many elements");
        if (!read_list(r, &list)) {
            r->stream.status =
                status_context(r->stream.status, "%s[%lld]", lists->name,
                               (long long)lists->list.count);
            return false;
        }
        *vector_push(r->arena, &lists->list) = list;
    }
    return !r->stream.failed;
}

static bool read_limit(Reader *r)
{
    if (r->has_limit)
        return stream_fail(&r->stream, "usage_limit appears twice");
    r->has_limit = true;
    if (stream_integer(&r->stream, &r->limit) &&
        (r->limit >= 0 || stream_fail(&r->stream, "is negative")))
        return true;
    r->stream.status = status_context(r->stream.status, "usage_limit");
    return false;
}

static bool read_fields(Reader *r, bool *seen, const char *name, int level);

/* The value of field `key` of the object `level`. */
static bool read_field(Reader *r, int level, const char *key)
{
    enum { TOP, PROBLEM, NODES, EDGES };
    if (level == TOP && strcmp(key, "problem") == 0)
        return read_fields(r, &r->has_problem, "problem", PROBLEM);
    if (level == PROBLEM && strcmp(key, "nodes") == 0)
        return read_fields(r, &r->has_nodes, "nodes", NODES);
    if (level == PROBLEM && strcmp(key, "edges") == 0)
        return read_fields(r, &r->has_edges, "edges", EDGES);
    if (level == PROBLEM && strcmp(key, "usage_limit") == 0)
        return read_limit(r);
    if (level == PROBLEM && strcmp(key, "name") == 0)
        return stream_string(&r->stream, r->name);
    if (level == NODES && strcmp(key, "intervals") == 0)
        return read_lists(r, &r->intervals);
    if (level == NODES && strcmp(key, "costs") == 0)
        return read_lists(r, &r->costs);
    if (level == NODES && strcmp(key, "usages") == 0)
        return read_lists(r, &r->usages);
    if (level == EDGES && strcmp(key, "nodes") == 0)
        return read_lists(r, &r->edge_nodes);
    if (level == EDGES && strcmp(key, "costs") == 0)
        return read_lists(r, &r->edge_costs);
    return stream_skip(&r->stream, 0);
}

static bool read_fields(Reader *r, bool *seen, const char *name, int level)
{
    char key[JSON_NAME_BYTES];
    bool first = true;
    if (*seen)
        return stream_fail(&r->stream, "%s appears twice", name);
    *seen = true;
    if (!stream_expect(&r->stream, '{'))
        return false;
    while (stream_next(&r->stream, &first, '}'))
        if (!stream_string(&r->stream, key) ||
            !stream_expect(&r->stream, ':') || !read_field(r, level, key))
            return false;
    return !r->stream.failed;
}

static Status missing(const char *field)
{
    return status_error(STATUS_INPUT, "%s is missing", field);
}

static Status check_present(const Reader *r)
{
    if (!r->has_problem)
        return missing("problem");
    if (!r->has_nodes)
        return missing("problem.nodes");
    const Lists *all[] = {&r->intervals, &r->costs, &r->usages};
    for (int i = 0; i < 3; i++)
        if (!all[i]->present)
            return missing(all[i]->name);
    for (int i = 0; i < 3; i++)
        if (all[i]->list.count != r->costs.list.count)
            return status_error(STATUS_INPUT,
                                "%s has %lld elements, %s has %lld",
                                all[i]->name, (long long)all[i]->list.count,
                                r->costs.name, (long long)r->costs.list.count);
    if (r->has_edges && !r->edge_nodes.present)
        return missing(r->edge_nodes.name);
    if (r->has_edges && !r->edge_costs.present)
        return missing(r->edge_costs.name);
    if (r->edge_nodes.list.count != r->edge_costs.list.count)
        return status_error(
            STATUS_INPUT, "%s has %lld elements, %s has %lld",
            r->edge_nodes.name, (long long)r->edge_nodes.list.count,
            r->edge_costs.name, (long long)r->edge_costs.list.count);
    return status_ok();
}

static Status check_item(const Lists *lists, int64_t i, const char *wrong)
{
    return status_error(STATUS_INPUT, "%s[%lld]: %s", lists->name, (long long)i,
                        wrong);
}

static Status check_nodes(const Reader *r)
{
    for (int64_t v = 0; v < r->costs.list.count; v++) {
        List interval = r->intervals.list.data[v];
        List cost = r->costs.list.data[v], usage = r->usages.list.data[v];
        if (interval.n != 2)
            return check_item(&r->intervals, v, "not a begin and an end");
        if (interval.item[0] < 0)
            return check_item(&r->intervals, v, "begins before time 0");
        if (interval.item[1] < interval.item[0])
            return check_item(&r->intervals, v, "ends before it begins");
        if (cost.n < 1 || cost.n > INT32_MAX)
            return check_item(&r->costs, v, "no choices");
        if (usage.n != cost.n)
            return check_item(&r->usages, v,
                              "not as many usages as the node has costs");
        for (int64_t i = 0; i < usage.n; i++)
            if (usage.item[i] < 0)
                return check_item(&r->usages, v, "a negative usage");
    }
    return status_ok();
}

static Status check_edges(const Reader *r)
{
    for (int64_t e = 0; e < r->edge_nodes.list.count; e++) {
        List nodes = r->edge_nodes.list.data[e];
        int64_t entries = 1;
        if (nodes.n < 1)
            return check_item(&r->edge_nodes, e, "an edge of no nodes");
        for (int64_t i = 0; i < nodes.n; i++) {
            int64_t v = nodes.item[i];
            if (v < 0 || v >= r->costs.list.count)
                return check_item(&r->edge_nodes, e, "no such node");
            if (!mul_i64(entries, r->costs.list.data[v].n, &entries))
                return check_item(&r->edge_costs, e, "a table beyond 2^63");
        }
        if (r->edge_costs.list.data[e].n != entries)
            return status_error(STATUS_INPUT,
                                "%s[%lld]: %lld entries where the nodes' "
                                "choices multiply to %lld",
                                r->edge_costs.name, (long long)e,
                                (long long)r->edge_costs.list.data[e].n,
                                (long long)entries);
    }
    return status_ok();
}

/* An edge of arity other than 2 as a node: choice = entry, and a table that
 * ties each member to its digit of the entry's number. */
static void add_hyperedge(const Reader *r, int64_t e, ChoiceNode *nodes,
                          int32_t *n_nodes, ChoiceEdge *edges, int32_t *n_edges)
{
    List members = r->edge_nodes.list.data[e];
    List cost = r->edge_costs.list.data[e];
    int32_t node = (*n_nodes)++;
    nodes[node] = (ChoiceNode){.n_choices = (int32_t)cost.n, .cost = cost.item};
    int64_t stride = cost.n;
    for (int64_t m = 0; m < members.n; m++) {
        int32_t v = (int32_t)members.item[m];
        int64_t n = nodes[v].n_choices;
        stride /= n;
        int64_t *table = arena_new(r->arena, int64_t, cost.n *n);
        for (int64_t entry = 0; entry < cost.n; entry++)
            for (int64_t i = 0; i < n; i++)
                table[entry * n + i] =
                    entry / stride % n == i ? 0 : CHOICE_FORBIDDEN;
        edges[(*n_edges)++] = (ChoiceEdge){node, v, table};
    }
}

static Status build_problem(const Reader *r, IopddlProblem *out)
{
    int64_t n_file = r->costs.list.count, n_extra = 0, n_edges = 0;
    for (int64_t e = 0; e < r->edge_nodes.list.count; e++) {
        bool plain = r->edge_nodes.list.data[e].n == 2;
        n_extra += !plain;
        n_edges += plain ? 1 : r->edge_nodes.list.data[e].n;
    }
    if (n_file + n_extra > INT32_MAX || n_edges > INT32_MAX)
        return status_error(STATUS_INPUT, "more than 2^31 nodes or edges");
    ChoiceNode *nodes = arena_new(r->arena, ChoiceNode, n_file + n_extra);
    ChoiceInterval *intervals = arena_new(r->arena, ChoiceInterval, n_file);
    ChoiceEdge *edges = arena_new(r->arena, ChoiceEdge, n_edges);
    for (int64_t v = 0; v < n_file; v++) {
        const int64_t *span = r->intervals.list.data[v].item;
        intervals[v] =
            (ChoiceInterval){span[0], span[1], r->usages.list.data[v].item};
        nodes[v] = (ChoiceNode){(int32_t)r->costs.list.data[v].n, 1,
                                r->costs.list.data[v].item, &intervals[v]};
    }
    int32_t n_nodes = (int32_t)n_file, n = 0;
    for (int64_t e = 0; e < r->edge_nodes.list.count; e++) {
        const int64_t *ends = r->edge_nodes.list.data[e].item;
        if (r->edge_nodes.list.data[e].n == 2)
            edges[n++] = (ChoiceEdge){(int32_t)ends[0], (int32_t)ends[1],
                                      r->edge_costs.list.data[e].item};
        else
            add_hyperedge(r, e, nodes, &n_nodes, edges, &n);
    }
    int64_t limit = r->has_limit ? r->limit : CHOICE_MAGNITUDE_MAX;
    out->problem = (ChoiceProblem){n_nodes, n, nodes, edges,
                                   min_i64(limit, CHOICE_MAGNITUDE_MAX)};
    out->n_nodes = (int32_t)n_file;
    out->name = str_copy(r->arena, str_from(r->name));
    const char *wrong = choice_check(&out->problem);
    return wrong ? status_error(STATUS_INPUT, "%s", wrong) : status_ok();
}

Status iopddl_read(Arena *arena, Arena scratch, IopddlRead *read, void *context,
                   IopddlProblem *out)
{
    Reader *r = arena_new(&scratch, Reader, 1);
    r->arena = arena;
    r->stream = json_stream_new(&scratch, read, context);
    r->intervals.name = "nodes.intervals";
    r->costs.name = "nodes.costs";
    r->usages.name = "nodes.usages";
    r->edge_nodes.name = "edges.nodes";
    r->edge_costs.name = "edges.costs";
    grow_piece(r, 0);
    bool top = false;
    if (read_fields(r, &top, "top", 0) && stream_peek(&r->stream) >= 0)
        stream_fail(&r->stream, "more text after the problem");
    if (r->stream.failed)
        return r->stream.status;
    TRY(check_present(r));
    TRY(check_nodes(r));
    TRY(check_edges(r));
    return build_problem(r, out);
}

static int64_t read_gz(void *context, char *bytes, int64_t n,
                       const char **wrong)
{
    gzFile file = context;
    int got = gzread(file, bytes, (unsigned)n);
    int code = Z_OK;
    *wrong = gzerror(file, &code);
    if (code == Z_BUF_ERROR) {
        *wrong = "the compressed file is truncated";
        return -1;
    }
    if (code == Z_DATA_ERROR)
        *wrong = "the compressed file is damaged";
    return got < 0 || code < 0 ? -1 : got;
}

Status iopddl_read_file(Arena *arena, Arena scratch, const char *path,
                        IopddlProblem *out)
{
    gzFile file =
        strcmp(path, "-") == 0 ? gzdopen(0, "rb") : gzopen(path, "rb");
    if (!file)
        return status_error(errno == ENOENT || errno == EACCES
                                ? STATUS_INPUT
                                : STATUS_ENVIRONMENT,
                            "cannot read '%s': %s", path, strerror(errno));
    gzbuffer(file, 1 << 18);
    Status status = iopddl_read(arena, scratch, read_gz, file, out);
    gzclose(file);
    return status_failed(&status) ? status_context(status, "%s", path) : status;
}

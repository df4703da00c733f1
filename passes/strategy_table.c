/* Strategy table: see the header. */
#include "passes/strategy_table.h"

#include "passes/cost.h"
#include "solver/choice.h"
#include "support/checked.h"

#include <string.h>

StrategyTable *strategy_table_new(Arena *arena, const Graph *graph,
                                  const NodeStorage *storage,
                                  const LogicalMesh *mesh,
                                  const DeviceType *device,
                                  int64_t tick_nanoseconds)
{
    StrategyTable *table = arena_new(arena, StrategyTable, 1);
    *table = (StrategyTable){
        .arena = arena,
        .graph = graph,
        .storage = storage,
        .mesh = *mesh,
        .device = *device,
        .tick_nanoseconds = tick_nanoseconds,
        .resharder = resharder_new(arena, mesh),
        .options = arena_new(arena, const NodeOptions *, graph->nodes.count),
    };
    return table;
}

/* -- options --------------------------------------------------------------- */

static void append_type(Text *key, const Type *type)
{
    text_format(key, "%d:%d:", (int)type->dtype, type->shape.rank);
    for (int d = 0; d < type->shape.rank; d++)
        text_format(key, "%lld,", (long long)type->shape.extent[d]);
}

Str strategy_kind(const Graph *graph, const NodeStorage *storages, NodeId id,
                  Arena *arena)
{
    const Node *node = graph_node(graph, id);
    const NodeStorage *storage = &storages[id.index];
    Text key = text_new(arena);
    text_format(&key, "%d %d %d %d %d ", (int)node->op, storage->time,
                storage->stored, storage->accumulated, node->n_operands);
    append_type(&key, &node->type);
    for (int32_t k = 0; k < node->n_operands; k++)
        append_type(&key, &graph_operand(graph, node, k)->type);
    if (!op_has(node->op, TRAIT_LEAF) && node->op != OP_RANDOM)
        text_append(&key, (Str){(const char *)&node->attr, sizeof node->attr});
    return text_str(&key);
}

int64_t strategy_price(const StrategyTable *table, int64_t nanoseconds,
                       int64_t runs)
{
    int64_t price;
    if (!mul_i64(nanoseconds, runs, &price) ||
        price / table->tick_nanoseconds > CHOICE_MAGNITUDE_MAX)
        return CHOICE_FORBIDDEN;
    return price / table->tick_nanoseconds;
}

/* A copy's second half: the same strategies, as aliases. */
static int64_t repeat_strategies(Strategy **strategies, int64_t n, Arena *arena)
{
    Strategy *twice = arena_new(arena, Strategy, 2 * n);
    memcpy(twice, *strategies, (size_t)n * sizeof *twice);
    memcpy(twice + n, *strategies, (size_t)n * sizeof *twice);
    *strategies = twice;
    return 2 * n;
}

static NodeOptions *options_of(StrategyTable *table, NodeId id)
{
    const Node *node = graph_node(table->graph, id);
    const NodeStorage *storage = &table->storage[id.index];
    Arena *arena = table->arena;
    Rule rule = rule_of(table->graph, id);
    Strategy *strategies;
    int64_t n = rule_strategies(table->graph, id, &rule, &table->mesh,
                                storage->time, arena, &strategies);
    int64_t first_alias = n;
    if (node->op == OP_COPY)
        n = repeat_strategies(&strategies, n, arena);
    Sharding *results = arena_new(arena, Sharding, n);
    Sharding *operands = arena_new(arena, Sharding, n * (node->n_operands + 1));
    int64_t *price = arena_new(arena, int64_t, n);
    int64_t *bytes = arena_new(arena, int64_t, n);
    int64_t runs = storage->microbatch ? table->mesh.axis[0].size : 1;
    for (int64_t c = 0; c < n; c++) {
        Sharding *of = operands + c * node->n_operands;
        rule_shardings(table->graph, id, &rule, &table->mesh, &strategies[c],
                       of, &results[c]);
        price[c] = strategy_price(table,
                                  cost_node(table->graph, id, &rule, storage,
                                            &table->mesh, &table->device,
                                            &strategies[c], of, &results[c]),
                                  runs);
        bytes[c] = round_up_i64(
            sharding_local_bytes(&table->mesh, &node->type, &results[c]),
            COST_BLOCK_ALIGNMENT);
    }
    NodeOptions *options = arena_new(arena, NodeOptions, 1);
    *options = (NodeOptions){
        .number = (int32_t)table->kinds.count,
        .n = (int32_t)n,
        .n_operands = node->n_operands,
        .first_alias = (int32_t)first_alias,
        .runs = runs,
        .strategies = strategies,
        .results = results,
        .operands = operands,
        .price = price,
        .bytes = bytes,
    };
    return options;
}

const NodeOptions *strategy_options(StrategyTable *table, NodeId id)
{
    const NodeOptions **options = &table->options[id.index];
    if (*options)
        return *options;
    Str key = strategy_kind(table->graph, table->storage, id, table->arena);
    int64_t *kind = map_find(&table->kind_of, key);
    if (kind)
        return *options = table->kinds.data[*kind];
    *options = options_of(table, id);
    map_insert(table->arena, &table->kind_of, key, table->kinds.count, NULL);
    *vector_push(table->arena, &table->kinds) = *options;
    return *options;
}

/* -- edges ----------------------------------------------------------------- */

/* What a matrix is made for: the reader's operand, or, at a variable, the new
 * value that is to become it. */
enum { OPERAND_UPDATE = -1 };

/* The different shardings among those that choices give or want. */
typedef struct DistinctShardings {
    int32_t n;
    Sharding *sharding; /* [n] */
    int32_t *of;        /* by choice */
} DistinctShardings;

static DistinctShardings distinct_shardings(const Sharding *list, int32_t n,
                                            int32_t stride, Arena *arena)
{
    DistinctShardings d = {
        .sharding = arena_new(arena, Sharding, n),
        .of = arena_new(arena, int32_t, n),
    };
    for (int32_t c = 0; c < n; c++) {
        const Sharding *s = &list[(int64_t)c * stride];
        int32_t i = 0;
        while (i < d.n && !sharding_equal(&d.sharding[i], s))
            i++;
        if (i == d.n)
            d.sharding[d.n++] = *s;
        d.of[c] = i;
    }
    return d;
}

static DistinctShardings wanted_shardings(const NodeOptions *to,
                                          int32_t operand, Arena *arena)
{
    return operand == OPERAND_UPDATE
               ? distinct_shardings(to->results, to->n, 1, arena)
               : distinct_shardings(to->operands + operand, to->n,
                                    to->n_operands, arena);
}

/* Prices [n of given][n of wanted] of bringing one to the other. */
static int64_t *distinct_prices(StrategyTable *table, const Type *type,
                                const DistinctShardings *given,
                                const DistinctShardings *wanted, int64_t runs,
                                Arena *arena)
{
    int64_t *price = arena_new(arena, int64_t, (int64_t)given->n * wanted->n);
    for (int32_t i = 0; i < given->n; i++) {
        int64_t *row = price + (int64_t)i * wanted->n;
        reshard_prices(table->resharder, type, &given->sharding[i],
                       wanted->sharding, wanted->n, row);
        for (int32_t k = 0; k < wanted->n; k++)
            row[k] = strategy_price(table, row[k], runs);
    }
    return price;
}

static void fill_matrix(StrategyTable *table, const Type *type,
                        const NodeOptions *from, const NodeOptions *to,
                        int32_t operand, int64_t *matrix, Arena scratch)
{
    bool updates = operand == OPERAND_UPDATE;
    DistinctShardings given =
        distinct_shardings(from->results, from->n, 1, &scratch);
    DistinctShardings wanted = wanted_shardings(to, operand, &scratch);
    const int64_t *price = distinct_prices(table, type, &given, &wanted,
                                           updates ? 1 : to->runs, &scratch);
    for (int32_t a = 0; a < from->n; a++)
        for (int32_t b = 0; b < to->n; b++) {
            bool alias = !updates && b >= to->first_alias;
            const Sharding *have = &given.sharding[given.of[a]];
            const Sharding *want = &wanted.sharding[wanted.of[b]];
            matrix[(int64_t)a * to->n + b] =
                !alias ? price[(int64_t)given.of[a] * wanted.n + wanted.of[b]]
                : sharding_equal(have, want) ? 0
                                             : CHOICE_FORBIDDEN;
        }
}

static const int64_t *edge_matrix(StrategyTable *table, NodeId producer,
                                  const NodeOptions *to, int32_t operand)
{
    const NodeOptions *from = strategy_options(table, producer);
    Str key =
        str_format(table->arena, "%d>%d.%d", from->number, to->number, operand);
    int64_t *known = map_find(&table->matrices, key);
    if (known)
        return table->matrix.data[*known];
    const Type *type = &graph_node(table->graph, producer)->type;
    int64_t *matrix =
        arena_new(table->arena, int64_t, (int64_t)from->n * to->n);
    Arena rest = *table->arena;
    fill_matrix(table, type, from, to, operand, matrix, arena_split(&rest));
    map_insert(table->arena, &table->matrices, key, table->matrix.count, NULL);
    *vector_push(table->arena, &table->matrix) = matrix;
    return matrix;
}

const int64_t *strategy_edge(StrategyTable *table, NodeId reader, int32_t k)
{
    const Node *node = graph_node(table->graph, reader);
    return edge_matrix(table, node->operands[k],
                       strategy_options(table, reader), k);
}

const int64_t *strategy_update_edge(StrategyTable *table, NodeId value,
                                    NodeId variable)
{
    return edge_matrix(table, value, strategy_options(table, variable),
                       OPERAND_UPDATE);
}

int64_t strategy_send_price(StrategyTable *table, NodeId id, int32_t choice,
                            int64_t runs)
{
    const Sharding *from = &strategy_options(table, id)->results[choice];
    Sharding to = *from;
    to.partial = to.operator= 0;
    return strategy_price(
        table,
        reshard_nanoseconds(table->resharder,
                            &graph_node(table->graph, id)->type, from, &to),
        runs);
}

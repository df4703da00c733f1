/* Graph parse: the inverse of ir/graph_print.c, line by line.
 *
 * The text may be anything: whatever graph_append would assert is asked
 * before and diagnosed.
 */
#include "ir/graph_text.h"
#include "ir/ir_text.h"
#include "ir/rule.h"

#include <stddef.h>

typedef struct Parser {
    Reader reader;
    Graph *graph;
    int64_t line; /* where the current line begins */
} Parser;

static bool failed(const Parser *p)
{
    return p->reader.failed;
}

static Span line_span(const Parser *p)
{
    return reader_span(&p->reader, p->line);
}

static void parse_line_end(Parser *p)
{
    if (p->reader.at < p->reader.text.length)
        read_token(&p->reader, "\n");
}

/* An integer in [0, count), else "there is no `what` N". */
static int32_t parse_row(Parser *p, const char *what, int64_t count)
{
    reader_skip(&p->reader);
    int64_t begin = p->reader.at;
    int64_t row = read_integer(&p->reader);
    if (row >= 0 && row < count)
        return (int32_t)row;
    reader_fail(&p->reader, begin, ir_row_unknown, what, (long long)row);
    return 0;
}

/* A new row's own number: the table's count. */
static void parse_row_number(Parser *p, int64_t count)
{
    reader_skip(&p->reader);
    int64_t begin = p->reader.at;
    if (read_integer(&p->reader) != count)
        reader_fail(&p->reader, begin, ir_row_order, (long long)count);
}

/* -- tables ---------------------------------------------------------------- */

static void parse_input(Parser *p)
{
    Graph *g = p->graph;
    Input row = {.shift_of = -1};
    parse_row_number(p, g->inputs.count);
    row.name = read_quoted(&p->reader, g->arena);
    read_token(&p->reader, ":");
    row.type = read_type(&p->reader);
    if (read_if(&p->reader, "=")) {
        read_token(&p->reader, "input");
        row.shift_of = parse_row(p, "input", g->inputs.count);
        read_token(&p->reader, "shifted");
        row.shift = read_integer(&p->reader);
    }
    row.span = line_span(p);
    if (!failed(p))
        *vector_push(g->arena, &g->inputs) = row;
}

static void parse_variable(Parser *p, VariableKind kind)
{
    Graph *g = p->graph;
    Variable row = {.kind = kind, .of = -1, .group = -1};
    parse_row_number(p, g->variables.count);
    row.name = read_quoted(&p->reader, g->arena);
    read_token(&p->reader, ":");
    row.type = read_type(&p->reader);
    if (read_if(&p->reader, "of"))
        row.of = parse_row(p, "variable", g->variables.count);
    if (read_if(&p->reader, "group"))
        row.group = parse_row(p, "group", INT32_MAX);
    row.span = line_span(p);
    if (!failed(p))
        *vector_push(g->arena, &g->variables) = row;
}

/* %N, a node that exists. */
static NodeId parse_reference(Parser *p)
{
    reader_skip(&p->reader);
    int64_t begin = p->reader.at;
    read_token(&p->reader, "%");
    int64_t index = read_integer(&p->reader);
    if (index > 0 && index < p->graph->nodes.count)
        return (NodeId){(int32_t)index};
    reader_fail(&p->reader, begin, ir_node_unknown, (long long)index);
    return (NodeId){0};
}

static void parse_output(Parser *p, OutputKind kind)
{
    Output output = {.kind = kind, .variable = -1};
    output.name = read_quoted(&p->reader, p->graph->arena);
    read_token(&p->reader, "=");
    output.node = parse_reference(p);
    if (read_if(&p->reader, "variable"))
        output.variable = parse_row(p, "variable", p->graph->variables.count);
    output.span = line_span(p);
    if (!failed(p))
        graph_add_output(p->graph, output);
}

/* -- nodes ----------------------------------------------------------------- */

typedef struct ParsedNode {
    Op op;
    VECTOR(NodeId) operands;
    Attr attr;
    Type type;
    NodeOrigin origin;
} ParsedNode;

static void parse_number_and_path(Parser *p, ParsedNode *n)
{
    Reader *r = &p->reader;
    int64_t next = p->graph->nodes.count;
    if (read_integer(r) != next)
        reader_fail(r, p->line, ir_node_order, (long long)next);
    reader_skip(r);
    int64_t begin = r->at;
    n->origin.path = read_quoted(r, p->graph->arena);
    if (n->origin.path.length == 0)
        reader_fail(r, begin, ir_expected, "a path");
    else if (map_find(&p->graph->paths, n->origin.path))
        reader_fail(r, begin, ir_path_taken, STR_ARG(n->origin.path));
}

static void parse_op(Parser *p, ParsedNode *n)
{
    Reader *r = &p->reader;
    read_token(r, "=");
    reader_skip(r);
    int64_t begin = r->at;
    Str word = read_word(r);
    if (!op_parse(word, &n->op)) {
        reader_fail(r, begin, ir_op_unknown, STR_ARG(word));
        return;
    }
    if (op_has(n->op, TRAIT_LEAF))
        return;
    read_token(r, "(");
    do {
        *vector_push(p->graph->arena, &n->operands) = parse_reference(p);
    } while (!failed(p) && read_if(r, ","));
    read_token(r, ")");
}

static void parse_attr(Parser *p, ParsedNode *n)
{
    if (failed(p))
        return;
    int32_t rank = 0;
    if (n->operands.count > 0)
        rank = graph_node(p->graph, n->operands.data[0])->type.shape.rank;
    attr_text(&(AttrText){.in = &p->reader, .rank = rank}, n->op, &n->attr);
    read_token(&p->reader, ":");
    n->type = read_type(&p->reader);
}

static void parse_place(Parser *p, ParsedNode *n)
{
    Reader *r = &p->reader;
    for (int32_t i = REGION_BACKWARD; i <= REGION_UPDATE; i++) {
        if (read_if(r, REGION_WORDS[i]))
            n->origin.region = (Region)i;
    }
    n->origin.layer = LAYER_NONE;
    if (read_if(r, "layer"))
        n->origin.layer = parse_row(p, "layer", INT32_MAX);
    if (read_if(r, "of"))
        n->origin.forward = parse_reference(p);
    n->origin.span = line_span(p);
}

static bool fits(const Parser *p, const ParsedNode *n)
{
    Arena scratch = *p->graph->arena;
    Type *types = arena_new(&scratch, Type, n->operands.count);
    for (int64_t i = 0; i < n->operands.count; i++)
        types[i] = graph_node(p->graph, n->operands.data[i])->type;
    Type type = n->type;
    return rule_infer(n->op, &n->attr, types, (int32_t)n->operands.count,
                      &type) &&
           type_equal(&type, &n->type);
}

static void parse_node(Parser *p)
{
    ParsedNode n = {0};
    parse_number_and_path(p, &n);
    parse_op(p, &n);
    parse_attr(p, &n);
    parse_place(p, &n);
    if (failed(p))
        return;
    int64_t n_variables = p->graph->variables.count;
    if (n.op == OP_VARIABLE && n.attr.variable.variable >= n_variables)
        reader_fail(&p->reader, p->line, ir_row_unknown, "variable",
                    (long long)n.attr.variable.variable);
    else if (!fits(p, &n))
        reader_fail(&p->reader, p->line, ir_operands, op_info(n.op)->text);
    else
        graph_append_typed(p->graph, n.op, n.operands.data,
                           (int32_t)n.operands.count, n.attr, n.type, n.origin);
}

/* -------------------------------------------------------------------------- */

static void parse_line(Parser *p)
{
    Reader *r = &p->reader;
    p->line = r->at;
    if (read_if(r, "%")) {
        parse_node(p);
        return;
    }
    if (read_if(r, "input")) {
        parse_input(p);
        return;
    }
    for (int32_t i = 0; i <= VARIABLE_OPTIMIZER; i++) {
        if (read_if(r, VARIABLE_WORDS[i])) {
            parse_variable(p, (VariableKind)i);
            return;
        }
    }
    for (int32_t i = 0; i <= OUTPUT_GRADIENT; i++) {
        if (read_if(r, OUTPUT_WORDS[i])) {
            parse_output(p, (OutputKind)i);
            return;
        }
    }
    reader_fail(r, r->at, ir_expected, "a table row, a node or an output");
}

Graph *graph_parse(Arena *arena, int32_t source, Diagnostics *diagnostics)
{
    Parser p = {.reader = {.diagnostics = diagnostics,
                           .source = source,
                           .text = diagnostics->sources.data[source].text}};
    p.graph = graph_new(arena, (Str){"", 0});
    reader_at_end(&p.reader); /* blank lines and comments before */
    read_token(&p.reader, "graph");
    p.graph->name = read_quoted(&p.reader, arena);
    parse_line_end(&p);
    while (!reader_at_end(&p.reader)) {
        parse_line(&p);
        parse_line_end(&p);
    }
    return failed(&p) ? NULL : p.graph;
}

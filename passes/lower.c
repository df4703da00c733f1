/* Lower: a stage's local graphs as buffers, kernels and instructions. */
#include "passes/lower.h"

#include <assert.h>

/* One of a stage's three graphs. */
typedef struct GraphLowering {
    LocalGraph *local;
    Fusion fusion;
    int32_t *buffer; /* by storing node; -1: none yet */
} GraphLowering;

typedef struct Lowering {
    Program *program;
    ProgramStage *stage;
    int32_t number; /* of the stage */
    StageBodies *bodies;
    CodeNumbers *codes;
    Arena *arena;
} Lowering;

static int32_t add_buffer(Lowering *l, Str name, BufferClass class, Type type)
{
    *vector_push(l->arena, &l->stage->buffers) =
        (Buffer){.name = name, .class = class, .type = type, .slots = 1};
    return (int32_t)l->stage->buffers.count - 1;
}

/* -- buffers --------------------------------------------------------------- */

static void add_variables(Lowering *l)
{
    for (int64_t i = 0; i < l->program->variables.count; i++) {
        ProgramVariable *v = &l->program->variables.data[i];
        if (v->stage != l->number)
            continue;
        Type type = {v->type.dtype,
                     sharding_local_shape(&l->stage->mesh, &v->type.shape,
                                          &v->sharding)};
        v->buffer = add_buffer(l, v->name, BUFFER_VARIABLE, type);
    }
}

/* The buffer that holds node `id` (through reshapes). */
static int32_t buffer_of(const GraphLowering *g, NodeId id)
{
    int32_t buffer = g->buffer[g->fusion.storage[id.index].index];
    assert(buffer >= 0);
    return buffer;
}

static int32_t variable_buffer(const Lowering *l, int32_t variable)
{
    return l->program->variables.data[variable].buffer;
}

/* Whether instruction `reader` of the same segment, later than `write`, still
 * reads the variable's old value, or the kernel itself reads it elsewhere
 * than where it writes. */
static bool old_value_is_read(const GraphLowering *g, NodeId write,
                              int32_t variable)
{
    const LocalGraph *local = g->local;
    SegmentKind segment = local->segments.data[write.index];
    for (int64_t k = 0; k < g->fusion.kernels.count; k++) {
        const KernelBody *body = &g->fusion.kernels.data[k];
        if (local->segments.data[body->root.index] != segment ||
            body->root.index < write.index)
            continue;
        for (int64_t i = 0; i < body->operands.count; i++) {
            NodeId operand = body->operands.data[i];
            NodeId stored = g->fusion.storage[operand.index];
            const Node *node = graph_node(local->graph, stored);
            if (node->op != OP_VARIABLE ||
                node->attr.variable.variable != variable)
                continue;
            if (body->root.index != write.index ||
                op_has(graph_node(local->graph, write)->op,
                       TRAIT_CONTRACTION) ||
                !kernel_reads_in_place(body, operand))
                return true;
        }
    }
    return false;
}

static bool other_instruction_reads(const GraphLowering *g, NodeId write,
                                    int32_t variable)
{
    const LocalGraph *local = g->local;
    SegmentKind segment = local->segments.data[write.index];
    for (int32_t i = write.index; i < local->graph->nodes.count; i++) {
        const Node *node = graph_node(local->graph, (NodeId){i});
        if (!g->fusion.live[i] || local->segments.data[i] != segment ||
            !(op_has(node->op, TRAIT_COLLECTIVE) ||
              op_has(node->op, TRAIT_WORLD)))
            continue;
        for (int32_t k = 0; k < node->n_operands; k++) {
            const Node *stored = graph_node(
                local->graph, g->fusion.storage[node->operands[k].index]);
            if (stored->op == OP_VARIABLE &&
                stored->attr.variable.variable == variable)
                return true;
        }
    }
    return false;
}

/* The new value stays beside the old one until all have read that: a copy
 * kernel at the segment's end writes it. */
static void defer_write(Lowering *l, GraphLowering *g, LocalWrite *write)
{
    LocalGraph *local = g->local;
    LocalBuilder b = {.local = local,
                      .segment = local->segments.data[write->value.index]};
    NodeOrigin origin = node_origin(local->graph, write->value, "written");
    NodeId copy = graph_unary(local->graph, OP_COPY, write->value, origin);
    local_at(&b, b.segment, origin);
    KernelBody *body = vector_push(l->arena, &g->fusion.kernels);
    *body = (KernelBody){.graph = local->graph, .root = copy};
    *vector_push(l->arena, &body->nodes) = copy;
    *vector_push(l->arena, &body->operands) = write->value;
    write->value = copy;
}

static void defer_writes(Lowering *l, GraphLowering *g)
{
    LocalGraph *local = g->local;
    int64_t before = local->graph->nodes.count;
    for (int64_t i = 0; i < local->writes.count; i++) {
        LocalWrite *write = &local->writes.data[i];
        if (old_value_is_read(g, write->value, write->variable) ||
            other_instruction_reads(g, write->value, write->variable))
            defer_write(l, g, write);
    }
    int64_t count = local->graph->nodes.count, deferred = count - before;
    if (deferred == 0)
        return;
    Fusion *f = &g->fusion;
    Fusion grown = {
        .storage = arena_new(l->arena, NodeId, count),
        .live = arena_new(l->arena, bool, count),
        .kernel_of = arena_new(l->arena, int32_t, count),
    };
    for (int64_t i = 0; i < count; i++) {
        bool is_new = i >= before;
        grown.storage[i] = is_new ? (NodeId){(int32_t)i} : f->storage[i];
        grown.live[i] = is_new || f->live[i];
        grown.kernel_of[i] =
            is_new ? (int32_t)(f->kernels.count - deferred + i - before)
                   : f->kernel_of[i];
    }
    f->storage = grown.storage;
    f->live = grown.live;
    f->kernel_of = grown.kernel_of;
}

static void add_input(Lowering *l, const GraphLowering *g,
                      const LocalInput *input, bool eval)
{
    int32_t buffer = g->buffer[input->node.index];
    if (buffer < 0)
        return;
    l->stage->buffers.data[buffer].class = BUFFER_INPUT;
    *vector_push(l->arena, &l->stage->inputs) = (StageInput){
        .input = graph_node(g->local->graph, input->node)->attr.input.input,
        .buffer = buffer,
        .sharding = input->sharding,
        .eval = eval};
}

static void add_buffers(Lowering *l, GraphLowering *g, bool eval)
{
    const Graph *graph = g->local->graph;
    int64_t count = graph->nodes.count;
    g->buffer = arena_new(l->arena, int32_t, count);
    g->buffer[0] = -1;
    for (int32_t i = 1; i < count; i++) {
        const Node *node = graph_node(graph, (NodeId){i});
        g->buffer[i] = -1;
        if (g->fusion.storage[i].index == i && node->op == OP_VARIABLE)
            g->buffer[i] = variable_buffer(l, node->attr.variable.variable);
    }
    for (int64_t i = 0; i < g->local->writes.count; i++) {
        const LocalWrite *write = &g->local->writes.data[i];
        g->buffer[write->value.index] = variable_buffer(l, write->variable);
    }
    for (int32_t i = 1; i < count; i++) {
        const Node *node = graph_node(graph, (NodeId){i});
        if (g->fusion.storage[i].index == i && g->buffer[i] < 0)
            g->buffer[i] =
                add_buffer(l, node->path, BUFFER_TEMPORARY, node->type);
    }
    for (int64_t i = 0; i < g->local->inputs.count; i++)
        add_input(l, g, &g->local->inputs.data[i], eval);
    for (int64_t i = 0; i < g->local->outputs.count; i++) {
        const LocalOutput *output = &g->local->outputs.data[i];
        l->program->outputs.data[output->output].buffers.data[l->number] =
            buffer_of(g, output->value);
    }
}

/* -- instructions ---------------------------------------------------------- */

static Instruction *emit(Lowering *l, SegmentKind segment, InstructionKind kind,
                         int32_t n_buffers)
{
    Instruction *i =
        vector_push(l->arena, &l->stage->segments[segment].instructions);
    i->kind = kind;
    i->n_buffers = n_buffers;
    i->buffers = arena_new(l->arena, int32_t, n_buffers);
    return i;
}

static int32_t add_kernel(Lowering *l, const KernelBody *body)
{
    const Node *root = graph_node(body->graph, body->root);
    Kernel *kernel = vector_push(l->arena, &l->stage->kernels);
    kernel->name = root->path;
    *vector_push(l->arena, &l->bodies->kernels) = *body;
    if (root->op == OP_DOT) {
        kernel->kind = KERNEL_DOT;
        kernel->dot = fused_dot_call(body->graph, body->root);
    } else if (op_has(root->op, TRAIT_CONTRACTION)) {
        kernel->kind = KERNEL_CONVOLUTION;
        kernel->convolution = convolution_call(body->graph, body->root);
    } else {
        kernel->kind = KERNEL_CODE;
        kernel->code = code_number(l->codes, body, &l->stage->mesh, l->arena);
    }
    return (int32_t)l->stage->kernels.count - 1;
}

static void emit_run(Lowering *l, const GraphLowering *g, NodeId root)
{
    const KernelBody *body =
        &g->fusion.kernels.data[g->fusion.kernel_of[root.index]];
    int32_t n = (int32_t)body->operands.count;
    Instruction *i =
        emit(l, g->local->segments.data[root.index], INSTRUCTION_RUN, n + 1);
    i->kernel = add_kernel(l, body);
    for (int32_t k = 0; k < n; k++)
        i->buffers[k] = buffer_of(g, body->operands.data[k]);
    i->buffers[n] = buffer_of(g, root);
}

static void emit_collective(Lowering *l, const GraphLowering *g, NodeId id)
{
    const Node *node = graph_node(g->local->graph, id);
    Instruction *i =
        emit(l, g->local->segments.data[id.index], INSTRUCTION_COLLECTIVE, 2);
    i->collective = node->op;
    i->collective_attr = node->attr.collective;
    i->buffers[0] = buffer_of(g, node->operands[0]);
    i->buffers[1] = buffer_of(g, id);
}

static void emit_world_sum(Lowering *l, const GraphLowering *g, NodeId id)
{
    const Node *node = graph_node(g->local->graph, id);
    Instruction *i = emit(l, g->local->segments.data[id.index],
                          INSTRUCTION_WORLD_SUM, node->n_operands + 1);
    for (int64_t w = 0; w < g->local->world_sums.count; w++)
        if (g->local->world_sums.data[w].node.index == id.index)
            i->world_sum = g->local->world_sums.data[w].world_sum;
    for (int32_t k = 0; k < node->n_operands; k++)
        i->buffers[k] = buffer_of(g, node->operands[k]);
    i->buffers[node->n_operands] = buffer_of(g, id);
}

static void emit_transfer(Lowering *l, InstructionKind kind,
                          SegmentKind segment, int32_t transfer, int32_t buffer)
{
    Instruction *i = emit(l, segment, kind, 1);
    i->transfer = transfer;
    i->buffers[0] = buffer;
}

/* Transfers of these stand at the ends of the segment. */
static bool is_pipelined(SegmentKind segment)
{
    return segment == SEGMENT_FORWARD || segment == SEGMENT_BACKWARD;
}

static void emit_receive(Lowering *l, const GraphLowering *g, int32_t i)
{
    const Node *node = graph_node(g->local->graph, (NodeId){i});
    if (node->op == OP_RECEIVE && g->fusion.live[i])
        emit_transfer(l, INSTRUCTION_RECEIVE, g->local->segments.data[i],
                      node->attr.transfer.transfer, g->buffer[i]);
}

static void emit_sends(Lowering *l, const GraphLowering *g, bool pipelined,
                       int32_t first, int32_t end)
{
    for (int64_t s = 0; s < g->local->sends.count; s++) {
        const LocalSend *send = &g->local->sends.data[s];
        if (is_pipelined(send->segment) == pipelined &&
            send->position >= first && send->position < end)
            emit_transfer(l, INSTRUCTION_SEND, send->segment, send->transfer,
                          buffer_of(g, send->value));
    }
}

static void emit_graph(Lowering *l, const GraphLowering *g)
{
    int32_t count = (int32_t)g->local->graph->nodes.count;
    for (int32_t i = 1; i < count; i++)
        if (is_pipelined(g->local->segments.data[i]))
            emit_receive(l, g, i);
    for (int32_t i = 1; i < count; i++) {
        const Node *node = graph_node(g->local->graph, (NodeId){i});
        emit_sends(l, g, false, i, i + 1);
        if (!g->fusion.live[i])
            continue;
        if (op_has(node->op, TRAIT_COLLECTIVE))
            emit_collective(l, g, (NodeId){i});
        else if (op_has(node->op, TRAIT_WORLD))
            emit_world_sum(l, g, (NodeId){i});
        else if (g->fusion.kernel_of[i] >= 0)
            emit_run(l, g, (NodeId){i});
        else if (!is_pipelined(g->local->segments.data[i]))
            emit_receive(l, g, i);
    }
    emit_sends(l, g, false, count, INT32_MAX);
    emit_sends(l, g, true, 0, INT32_MAX);
}

void lower_stage(Program *program, int32_t stage, StagePartition *partition,
                 CodeNumbers *numbers, StageBodies *bodies, Arena *arena)
{
    Lowering l = {
        .program = program,
        .stage = &program->stages.data[stage],
        .number = stage,
        .bodies = bodies,
        .codes = numbers,
        .arena = arena,
    };
    add_variables(&l);
    LocalGraph *graphs[] = {&partition->init, &partition->train,
                            &partition->eval};
    for (int i = 0; i < 3; i++) {
        GraphLowering g = {.local = graphs[i],
                           .fusion = fuse(graphs[i], arena)};
        defer_writes(&l, &g);
        add_buffers(&l, &g, graphs[i] == &partition->eval);
        emit_graph(&l, &g);
    }
}

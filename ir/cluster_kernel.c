/* Virtual kernels: emitted kernels by the oracle, node by node; library calls
 * by what their strides say. */
#include "ir/cluster_interpret.h"

#include <assert.h>
#include <string.h>

/* The value of `id` inside the kernel: computed before, or an operand. */
static Tensor find_value(const KernelBody *body, const Tensor *values,
                         char *const *buffers, NodeId id)
{
    for (int64_t i = 0; i < body->nodes.count; i++)
        if (body->nodes.data[i].index == id.index)
            return values[i];
    for (int64_t i = 0; i < body->operands.count; i++)
        if (body->operands.data[i].index == id.index)
            return (Tensor){graph_node(body->graph, id)->type, buffers[i]};
    assert(!"a kernel reads what it was not given");
    return (Tensor){0};
}

static void accumulate(Tensor sum, Tensor term, ReduceOp operator, bool first)
{
    float *to = tensor_f32(sum);
    const float *from = tensor_f32(term);
    for (int64_t i = 0; i < shape_count(&sum.type.shape); i++)
        to[i] = first ? from[i] : reduce_f32(operator, to[i], from[i]);
}

static void run_body(const KernelBody *body, char *const *buffers,
                     const Environment *environment, Arena scratch)
{
    Tensor *values = arena_new(&scratch, Tensor, body->nodes.count);
    const Node *root = graph_node(body->graph, body->root);
    Tensor result = {root->type, buffers[body->operands.count]};
    for (int64_t i = 0; i < body->nodes.count; i++) {
        const Node *node = graph_node(body->graph, body->nodes.data[i]);
        Tensor *operands = arena_new(&scratch, Tensor, node->n_operands);
        for (int32_t k = 0; k < node->n_operands; k++)
            operands[k] = find_value(body, values, buffers, node->operands[k]);
        if (node->op == OP_ACCUMULATE) {
            assert(node == root);
            accumulate(result, operands[0], node->attr.collective.operator,
                       !body->accumulates ||
                           environment->context.coordinate[0] == 0);
            return;
        }
        values[i] = node_interpret(body->graph, body->nodes.data[i], operands,
                                   environment, &scratch);
    }
    memcpy(result.data, values[body->nodes.count - 1].data,
           (size_t)type_bytes(&result.type));
}

static void run_matrix(const DotCall *d, const float *a, const float *b,
                       float *c)
{
    for (int64_t i = 0; i < d->m; i++)
        for (int64_t j = 0; j < d->n; j++) {
            double sum = 0;
            for (int64_t k = 0; k < d->k; k++)
                sum += (double)a[i * d->a_row + k * d->a_column] *
                       (double)b[k * d->b_row + j * d->b_column];
            c[i * d->c_row + j * d->c_column] = (float)sum;
        }
}

static void run_dot(const DotCall *d, int32_t batch, const float *a,
                    const float *b, float *c)
{
    if (batch == d->n_batch) {
        run_matrix(d, a, b, c);
        return;
    }
    for (int64_t i = 0; i < d->batch[batch]; i++)
        run_dot(d, batch + 1, a + i * d->a_batch[batch],
                b + i * d->b_batch[batch], c + i * d->c_batch[batch]);
}

void virtual_run(const VirtualCluster *cluster, VirtualStage *stage,
                 const Instruction *instruction, int64_t microbatch)
{
    const Kernel *kernel = &stage->stage->kernels.data[instruction->kernel];
    const KernelBody *body = &stage->bodies->kernels.data[instruction->kernel];
    for (int64_t device = 0; device < stage->n_devices; device++) {
        Arena scratch = *cluster->arena;
        Environment environment = {.context = cluster->context,
                                   .mesh = &stage->stage->mesh};
        virtual_coordinates(stage, device, microbatch,
                            environment.context.coordinate);
        char **buffers = arena_new(&scratch, char *, instruction->n_buffers);
        for (int32_t b = 0; b < instruction->n_buffers; b++)
            buffers[b] = virtual_bytes(stage, device, instruction->buffers[b],
                                       microbatch);
        if (kernel->kind == KERNEL_DOT)
            run_dot(&kernel->dot, 0, (const float *)(void *)buffers[0],
                    (const float *)(void *)buffers[1],
                    (float *)(void *)buffers[2]);
        else if (kernel->kind == KERNEL_CODE && cluster->functions)
            cluster->functions[kernel->code](buffers, &environment.context);
        else
            run_body(body, buffers, &environment, scratch);
    }
}

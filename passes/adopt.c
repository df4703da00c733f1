/* Adopt: eval and init take over what training added.
 *
 * The three graphs of a model share one variable table.  The optimizer has
 * appended its state to train's; here eval and init get the same rows, and
 * init their first value, zero.  stop_gradient nodes, which mean something
 * only to differentiation, are left out.
 */
#include "passes/pass.h"

static bool is_init(const Graph *graph)
{
    for (int64_t i = 0; i < graph->outputs.count; i++) {
        if (graph->outputs.data[i].kind == OUTPUT_INIT)
            return true;
    }
    return false;
}

/* Neither graph reads the variable: the row has no node. */
static void adopt_variable(Graph *to, const Graph *train, int32_t index,
                           bool with_value)
{
    Variable *variable = vector_push(to->arena, &to->variables);
    *variable = train->variables.data[index];
    variable->node = (NodeId){0};
    if (!with_value)
        return;
    NodeOrigin origin = {.region = REGION_FORWARD,
                         .layer = LAYER_NONE,
                         .span = variable->span,
                         .path = variable->name};
    NodeId zero = graph_constant(to, 0, variable->type, origin);
    graph_add_output(
        to, (Output){OUTPUT_INIT, variable->name, zero, index, variable->span});
}

Graph *pass_adopt(const Graph *from, const PassOptions *options, Arena *perm,
                  Arena scratch)
{
    Graph *to = graph_like(perm, from, from->name);
    graph_clone_all(to, from, OP_STOP_GRADIENT, &scratch);
    for (int32_t i = (int32_t)from->variables.count;
         i < options->train->variables.count; i++)
        adopt_variable(to, options->train, i, is_init(from));
    return to;
}

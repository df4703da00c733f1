/* Learning rate: schedules as functions of the step t = 0, 1, ...
 *
 * Steps are counted in i32 and become f32 where arithmetic begins: exact up to
 * 2^24 steps, a warm-up or decay ratio to f32 precision beyond.
 */
#include "passes/learning_rate.h"

#include "passes/formula.h"

#include <math.h>
#include <stddef.h>

static const Type SCALAR = {.dtype = DTYPE_F32};
static const Type COUNT = {.dtype = DTYPE_I32};

static NodeId step_i32(const Formula *f)
{
    return graph_append_typed(f->graph, OP_SCALAR, NULL, 0,
                              (Attr){.scalar = {SCALAR_STEP}}, COUNT,
                              f->origin);
}

static NodeId step_f32(const Formula *f)
{
    return formula_unary(f, OP_TO_F32, step_i32(f));
}

/* min(1, (t + 1) / warmup) */
static NodeId warmup_ratio(const Formula *f, int64_t warmup)
{
    NodeId next = formula_offset(f, step_f32(f), 1);
    NodeId ratio = formula_div(f, next, formula_number(f, (double)warmup));
    return formula_binary(f, OP_MIN, formula_number(f, 1), ratio);
}

/* (t - warmup) / (total - warmup) within [0, 1]; 1 when there is no decay. */
static NodeId decay_ratio(const Formula *f, const Schedule *s)
{
    if (s->total <= s->warmup)
        return formula_number(f, 1);
    NodeId done = formula_offset(f, step_f32(f), -(double)s->warmup);
    NodeId length = formula_number(f, (double)(s->total - s->warmup));
    NodeId ratio = formula_div(f, done, length);
    ratio = formula_binary(f, OP_MAX, ratio, formula_number(f, 0));
    return formula_binary(f, OP_MIN, ratio, formula_number(f, 1));
}

/* From 1 at ratio 0 to 0 at ratio 1. */
static NodeId fall(const Formula *f, const Schedule *s, NodeId ratio)
{
    if (s->kind == SCHEDULE_WARMUP_LINEAR)
        return formula_sub(f, formula_number(f, 1), ratio);
    NodeId angle = formula_scale(f, ratio, M_PI);
    NodeId cosine = formula_unary(f, OP_COS, angle);
    return formula_scale(f, formula_offset(f, cosine, 1), 0.5);
}

/* During the warm-up peak * ratio, then final + (peak - final) * fall. */
static NodeId warmup_and_decay(const Formula *f, const Schedule *s)
{
    NodeId range =
        formula_scale(f, fall(f, s, decay_ratio(f, s)), s->peak - s->final);
    NodeId decayed = formula_offset(f, range, s->final);
    if (s->warmup <= 0)
        return decayed;
    NodeId warming = formula_scale(f, warmup_ratio(f, s->warmup), s->peak);
    NodeId last = formula_number(f, (double)s->warmup);
    NodeId is_warming = formula_binary(f, OP_LT, step_f32(f), last);
    return graph_select(f->graph, is_warming, warming, decayed, f->origin);
}

/* peak * factor ^ floor(t / every) */
static NodeId steps(const Formula *f, const Schedule *s)
{
    NodeId every = graph_constant(f->graph, (double)s->every, COUNT, f->origin);
    NodeId count =
        graph_binary(f->graph, OP_DIV, step_i32(f), every, f->origin);
    count = formula_unary(f, OP_TO_F32, count);
    NodeId factor = formula_number(f, s->factor);
    NodeId power = formula_binary(f, OP_POW, factor, count);
    return formula_scale(f, power, s->peak);
}

NodeId learning_rate_append(Graph *graph, const Schedule *schedule,
                       NodeOrigin origin)
{
    Formula f = {graph, SCALAR, origin};
    f.origin.path = STR("learning_rate");
    switch (schedule->kind) {
    case SCHEDULE_CONSTANT: return formula_number(&f, schedule->peak);
    case SCHEDULE_WARMUP:
        return schedule->warmup > 0
                   ? formula_scale(&f, warmup_ratio(&f, schedule->warmup),
                                   schedule->peak)
                   : formula_number(&f, schedule->peak);
    case SCHEDULE_WARMUP_COSINE:
    case SCHEDULE_WARMUP_LINEAR: return warmup_and_decay(&f, schedule);
    case SCHEDULE_STEPS: return steps(&f, schedule);
    }
    return (NodeId){0};
}

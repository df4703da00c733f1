/* Ascent: averages, steps, retreats. */
#include "solver/ascent.h"

#include <string.h>

/* What one pass weighs in the average: about the last 33 count. */
#define PASS_WEIGHT 0.03

Ascent ascent_new(Arena *arena, int32_t n_rows)
{
    return (Ascent){.mean = arena_new(arena, double, n_rows + 1),
                    .usage = arena_new(arena, double, n_rows + 1),
                    .price = arena_new(arena, double, n_rows + 1)};
}

void ascent_start(Ascent *a, double eager, int passes)
{
    a->highest = -NEVER;
    a->eager = eager;
    a->fade = pow(0.01, 1.0 / passes);
}

void ascent_pass(Ascent *a, Dual *dual, bool increasing)
{
    int32_t n = dual->net->n_rows;
    double weight = a->primed ? PASS_WEIGHT : 1;
    dual_pass(dual, increasing);
    network_usage(dual->net, dual->decoded, a->usage);
    for (int32_t r = 0; r < n; r++)
        a->mean[r] += weight * (a->usage[r] - a->mean[r]);
    a->primed = true;
    dual->work += 2 * n;
    if (dual->constant > a->highest) {
        a->highest = dual->constant;
        memcpy(a->price, dual->price, sizeof(double) * (size_t)n);
    }
}

void ascent_move(Ascent *a, Dual *dual, double target, bool settle,
                 Arena scratch)
{
    double squares = dual_violation(dual, a->mean);
    double gap = target - dual->constant;
    bool lost = 2 * (a->highest - dual->constant) > target - a->highest;
    a->eager *= a->fade;
    if (settle || lost) {
        dual_set_prices(dual, a->price, scratch);
        a->eager *= settle ? 1 : 0.7;
    } else if (squares > 0) {
        dual_move_prices(dual, a->mean, a->eager * gap / squares, scratch);
    }
}

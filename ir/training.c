/* Training: the learning rate as a number, for those who report it.  The
 * update computes its own in the graph (passes/learning_rate.c). */
#include "ir/training.h"

#include <math.h>

/* From `peak` at ratio 0 to `final` at ratio 1. */
static double decayed(const Schedule *s, double ratio)
{
    double fall = s->kind == SCHEDULE_WARMUP_LINEAR
                      ? 1 - ratio
                      : 0.5 * (1 + cos(M_PI * ratio));
    return s->final + (s->peak - s->final) * fall;
}

double schedule_at(const Schedule *s, int64_t step)
{
    double t = (double)step;
    switch (s->kind) {
    case SCHEDULE_CONSTANT: return s->peak;
    case SCHEDULE_WARMUP:
        return s->warmup > 0 ? s->peak * fmin(1, (t + 1) / (double)s->warmup)
                             : s->peak;
    case SCHEDULE_WARMUP_COSINE:
    case SCHEDULE_WARMUP_LINEAR:
        if (step < s->warmup)
            return s->peak * (t + 1) / (double)s->warmup;
        if (s->total <= s->warmup)
            return s->final;
        return decayed(s, fmin(1, (t - (double)s->warmup) /
                                      (double)(s->total - s->warmup)));
    case SCHEDULE_STEPS:
        return s->every > 0
                   ? s->peak * pow(s->factor, floor(t / (double)s->every))
                   : s->peak;
    }
    return 0;
}

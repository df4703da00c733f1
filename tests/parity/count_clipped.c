/* count_clipped: in how many steps of a run was the gradient clipped?
 *
 *     count_clipped CLIP STEPS CHECKPOINTS
 *
 * CHECKPOINTS/step-N holds the optimizer's state after step N.  Two of them in
 * a row give the gradient that step N used: momentum v = 0.9 v + g, or first
 * moment m = 0.9 m + 0.1 g.  Its norm is CLIP where it was clipped, and less
 * where it was not.  Exit status 1 unless that is so in every step, and between
 * 0.4 and 0.7 of the steps were clipped.
 */
#include "tests/parity/checkpoint_reader.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double DECAY = 0.9, ROUNDING = 1e-4;

static bool has_suffix(const char *name, const char *suffix)
{
    size_t n = strlen(name), k = strlen(suffix);
    return n >= k && strcmp(name + n - k, suffix) == 0;
}

/* The square of the norm of `now` - 0.9 `before`; `before` may be NULL. */
static double added_square(const float *now, const float *before, size_t n)
{
    double square = 0;
    for (size_t i = 0; i < n; i++) {
        double x = (double)now[i] - (before ? DECAY * (double)before[i] : 0);
        square += x * x;
    }
    return square;
}

/* The norm of the gradient between two states; -1 when one lacks a tensor. */
static double gradient_norm(const Checkpoint *now, const Checkpoint *before)
{
    const char *name;
    json_t *entry;
    double square = 0;
    json_object_foreach(now->header, name, entry)
    {
        bool is_moment = has_suffix(name, ".first_moment");
        if (!is_moment && !has_suffix(name, ".momentum"))
            continue;
        size_t n = 0, n_before = 0;
        const float *x = checkpoint_tensor(now, name, &n);
        const float *y =
            before ? checkpoint_tensor(before, name, &n_before) : NULL;
        if (!x || (before && (!y || n != n_before)))
            return -1;
        double scale = is_moment ? 1 / (1 - DECAY) : 1;
        square += scale * scale * added_square(x, y, n);
    }
    return sqrt(square);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: count_clipped CLIP STEPS CHECKPOINTS\n");
        return 2;
    }
    double clip = atof(argv[1]);
    int steps = atoi(argv[2]), clipped = 0;
    bool good = true;
    Checkpoint before = {0}, now;
    for (int step = 1; step <= steps; step++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/step-%d/optimizer.safetensors", argv[3],
                 step);
        if (!checkpoint_read(path, &now))
            return 1;
        double norm = gradient_norm(&now, step > 1 ? &before : NULL);
        good = good && norm > 0 && norm <= clip * (1 + ROUNDING);
        clipped += norm >= clip * (1 - ROUNDING);
        if (step > 1)
            checkpoint_close(&before);
        before = now;
    }
    checkpoint_close(&before);
    good = good && clipped >= 0.4 * steps && clipped <= 0.7 * steps;
    printf("gradients clipped in %d of %d steps%s\n", clipped, steps,
           good ? "" : ": not about half, or not to the norm");
    return good ? 0 : 1;
}

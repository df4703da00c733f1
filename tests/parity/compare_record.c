/* compare_record: did a job train as PyTorch did?
 *
 *     compare_record RECORD.json CASE CLIP LOG.jsonl
 *                    FIRST_OPTIMIZER.safetensors LAST_MODEL.safetensors
 *
 * Compares with a case of tests/parity/pytorch.json: the losses of a log; the
 * first gradients, read off the optimizer's state after one step (the momentum
 * is the gradient clipped to the norm CLIP, the first moment a tenth of that);
 * and the last parameters.  Tensors are compared in two numbers
 * (summary.h).  Prints the worst of each, relative; exit status 1 beyond 1e-5
 * (1e-4 for parameters under AdamW), or when anything is missing.
 */
#include "tests/parity/checkpoint_reader.h"
#include "tests/parity/summary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the whole gradient's norm: less is rounding. */
static const double ZERO = 1e-6;

typedef struct Worst {
    int count;
    double apart;
    const char *name;
} Worst;

static void consider(Worst *worst, double apart, const char *name)
{
    worst->count++;
    if (!(apart <= worst->apart)) {
        worst->apart = apart;
        worst->name = name;
    }
}

static bool report(const Worst *worst, const char *what, double limit)
{
    bool good = worst->count > 0 && worst->apart <= limit;
    printf("%s: %d compared with PyTorch, worst %.2g (%s)%s\n", what,
           worst->count, worst->apart, worst->name ? worst->name : "-",
           good ? "" : ": beyond the limit");
    return good;
}

static Summary recorded(const json_t *pair, double scale)
{
    return (Summary){scale * json_number_value(json_array_get(pair, 0)),
                     scale * json_number_value(json_array_get(pair, 1))};
}

static double apart(Summary is, Summary should_be, double floor)
{
    return fmax(fabs(is.norm - should_be.norm),
                fabs(is.product - should_be.product)) /
           (should_be.norm + floor);
}

static bool compare_losses(const json_t *record, const char *path)
{
    const json_t *losses = json_object_get(record, "losses");
    FILE *file = fopen(path, "r");
    char line[4096];
    Worst worst = {0};
    for (size_t t = 0; file && fgets(line, sizeof line, file); t++) {
        json_t *object = json_loads(line, 0, NULL);
        double loss = json_number_value(json_object_get(object, "loss"));
        double should_be = json_number_value(json_array_get(losses, t));
        consider(&worst, fabs(loss - should_be) / should_be, "loss");
        json_decref(object);
    }
    if (file)
        fclose(file);
    return report(&worst, "losses", 1e-5) &&
           worst.count == (int)json_array_size(losses);
}

static double whole_norm(json_t *gradients)
{
    const char *name;
    json_t *pair;
    double square = 0;
    json_object_foreach(gradients, name, pair) square +=
        pow(recorded(pair, 1).norm, 2);
    return sqrt(square);
}

/* Whether the record lists the gradient as zero in exact arithmetic. */
static bool is_zero_gradient(const json_t *record, const char *name)
{
    const json_t *names = json_object_get(record, "zero_gradients");
    for (size_t i = 0; i < json_array_size(names); i++)
        if (strcmp(json_string_value(json_array_get(names, i)), name) == 0)
            return true;
    return false;
}

/* Gradients far below the whole are compared with a hundredth of the whole:
 * those that are zero in exact arithmetic hold noise.  They are the ones that
 * the record lists by name, and no others. */
static bool compare_gradients(const json_t *record, double clip,
                              const char *path)
{
    json_t *gradients = json_object_get(record, "gradients"), *pair;
    double whole = whole_norm(gradients);
    double momentum_scale = fmin(1, clip / whole);
    double moment_scale = 0.1 * momentum_scale;
    bool zeros_agree = true;
    Checkpoint checkpoint;
    Worst worst = {0};
    const char *name;
    if (!checkpoint_read(path, &checkpoint))
        return false;
    json_object_foreach(gradients, name, pair)
    {
        char state[256];
        size_t n = 0;
        double scale = momentum_scale;
        snprintf(state, sizeof state, "%s.momentum", name);
        const float *x = checkpoint_tensor(&checkpoint, state, &n);
        if (!x) {
            scale = moment_scale;
            snprintf(state, sizeof state, "%s.first_moment", name);
            x = checkpoint_tensor(&checkpoint, state, &n);
        }
        zeros_agree &= is_zero_gradient(record, name) ==
                       (recorded(pair, 1).norm <= ZERO * whole);
        consider(&worst,
                 x ? apart(summary_of(x, (int64_t)n), recorded(pair, scale),
                           0.01 * scale * whole)
                   : HUGE_VAL,
                 name);
    }
    checkpoint_close(&checkpoint);
    if (!zeros_agree)
        printf("the gradients that are zero are not those listed by name\n");
    return report(&worst, "first gradients", 1e-5) && zeros_agree;
}

static bool compare_parameters(const json_t *record, const char *path,
                               double limit)
{
    json_t *parameters = json_object_get(record, "parameters"), *pair;
    Checkpoint checkpoint;
    Worst worst = {0};
    const char *name;
    if (!checkpoint_read(path, &checkpoint))
        return false;
    json_object_foreach(parameters, name, pair)
    {
        size_t n = 0;
        const float *x = checkpoint_tensor(&checkpoint, name, &n);
        if (!is_zero_gradient(record, name))
            consider(&worst,
                     x ? apart(summary_of(x, (int64_t)n), recorded(pair, 1), 0)
                       : HUGE_VAL,
                     name);
    }
    checkpoint_close(&checkpoint);
    return report(&worst, "parameters", limit);
}

int main(int argc, char **argv)
{
    json_t *file = argc == 7 ? json_load_file(argv[1], 0, NULL) : NULL;
    json_t *record = file ? json_object_get(file, argv[2]) : NULL;
    if (!record) {
        fprintf(stderr, "usage: compare_record RECORD.json CASE CLIP LOG "
                        "FIRST_OPTIMIZER LAST_MODEL\n");
        return 2;
    }
    double limit = strstr(argv[2], "/adamw") ? 1e-4 : 1e-5;
    bool good = compare_losses(record, argv[4]);
    good = compare_gradients(record, atof(argv[3]), argv[5]) && good;
    good = compare_parameters(record, argv[6], limit) && good;
    json_decref(file);
    return good ? 0 : 1;
}

/* compare_runs: are two training runs the same to within a tolerance?
 *
 *     compare_runs [--tensors TOLERANCE] [--losses TOLERANCE]
 *                  [--zero NAME]... [--skip NAME]... A.jsonl B.jsonl [A.safetensors
 *                  B.safetensors]...
 *
 * Compares the losses of two logs step by step (relative), and tensors of
 * checkpoint files by name (relative L2).  A tensor named by --zero is one
 * that is mathematically zero: both must be small against the largest tensor
 * norm.  One named by --skip is not compared.  Prints the worst of each; exit status 1 when a tolerance is exceeded,
 * a step or a tensor is missing, or anything is not finite.
 *
 * It shares no code with the product on purpose: it judges it.
 */
#include "tests/parity/checkpoint_reader.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 64 };

/* Parts of names. */
typedef struct Names {
    const char *part[NAMES_MAX];
    int count;
} Names;

typedef struct Limits {
    double tensors, losses;
    Names zero, skip;
} Limits;

static int has_part(const Names *names, const char *name)
{
    for (int i = 0; i < names->count; i++)
        if (strstr(name, names->part[i]))
            return 1;
    return 0;
}

static double norm(const float *x, const float *minus, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)x[i] - (minus ? (double)minus[i] : 0);
        sum += d * d;
    }
    return sqrt(sum);
}

static int compare_tensors(const char *a_path, const char *b_path,
                           const Limits *limits)
{
    Checkpoint a, b;
    if (!checkpoint_read(a_path, &a) || !checkpoint_read(b_path, &b))
        return 0;
    const char *name, *worst_name = "";
    json_t *entry;
    double worst = 0, largest = 0;
    int count = 0, good = 1;
    json_object_foreach(a.header, name, entry)
    {
        size_t n = 0;
        const float *x = checkpoint_tensor(&a, name, &n);
        if (x && norm(x, NULL, n) > largest)
            largest = norm(x, NULL, n);
    }
    json_object_foreach(a.header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0 || has_part(&limits->skip, name))
            continue;
        size_t n_a = 0, n_b = 0;
        const float *x = checkpoint_tensor(&a, name, &n_a),
                    *y = checkpoint_tensor(&b, name, &n_b);
        if (!x || !y || n_a != n_b) {
            fprintf(stderr, "%s: '%s' is missing or has another size\n", b_path,
                    name);
            good = 0;
            continue;
        }
        double size = norm(x, NULL, n_a), apart = norm(y, x, n_a);
        double relative = size > 0 ? apart / size : apart;
        if (has_part(&limits->zero, name))
            relative = (size + apart) / largest;
        if (!(relative <= limits->tensors)) {
            fprintf(stderr, "%s: '%s' differs by %.3g (limit %.3g)\n", b_path,
                    name, relative, limits->tensors);
            good = 0;
        }
        if (!(relative <= worst)) {
            worst = relative;
            worst_name = name;
        }
        count++;
    }
    good = good && count > 0;
    printf("tensors: %d compared, worst %.2g (%s)\n", count, worst, worst_name);
    checkpoint_close(&a);
    checkpoint_close(&b);
    return good;
}

/* The next object of a log that has a loss; 0 at its end. */
static int next_loss(FILE *file, long long *step, double *loss)
{
    char line[4096];
    while (fgets(line, sizeof line, file)) {
        json_t *object = json_loads(line, 0, NULL);
        json_t *value = json_object_get(object, "loss");
        if (json_is_number(value)) {
            *loss = json_number_value(value);
            *step = json_integer_value(json_object_get(object, "step"));
            json_decref(object);
            return 1;
        }
        json_decref(object);
    }
    return 0;
}

static int compare_losses(const char *a_path, const char *b_path,
                          const Limits *limits)
{
    FILE *a = fopen(a_path, "r"), *b = fopen(b_path, "r");
    if (!a || !b) {
        perror(a ? b_path : a_path);
        return 0;
    }
    int count = 0, good = 1;
    double worst = 0;
    for (;; count++) {
        long long step_a = 0, step_b = 0;
        double x = 0, y = 0;
        int more_a = next_loss(a, &step_a, &x);
        int more_b = next_loss(b, &step_b, &y);
        if (!more_a && !more_b)
            break;
        double apart = fabs(x - y) / fmax(fabs(x), 1e-30);
        if (more_a != more_b || step_a != step_b ||
            !(apart <= limits->losses)) {
            fprintf(stderr, "%s: step %lld: loss %.9g, expected %.9g\n", b_path,
                    step_b, y, x);
            good = 0;
            break;
        }
        worst = fmax(worst, apart);
    }
    fclose(a);
    fclose(b);
    printf("losses: %d compared, worst %.2g\n", count, worst);
    return good && count > 0;
}

int main(int argc, char **argv)
{
    Limits limits = {.tensors = 1e-5, .losses = 1e-5};
    int i = 1;
    for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        if (strcmp(argv[i], "--tensors") == 0)
            limits.tensors = atof(argv[i + 1]);
        else if (strcmp(argv[i], "--losses") == 0)
            limits.losses = atof(argv[i + 1]);
        else if (strcmp(argv[i], "--zero") == 0 &&
                 limits.zero.count < NAMES_MAX)
            limits.zero.part[limits.zero.count++] = argv[i + 1];
        else if (strcmp(argv[i], "--skip") == 0 &&
                 limits.skip.count < NAMES_MAX)
            limits.skip.part[limits.skip.count++] = argv[i + 1];
        else
            return 2;
    }
    if (argc - i < 2 || (argc - i) % 2) {
        fprintf(stderr, "usage: compare_runs [options] A.jsonl B.jsonl "
                        "[A.safetensors B.safetensors]...\n");
        return 2;
    }
    int good = compare_losses(argv[i], argv[i + 1], &limits);
    for (i += 2; i + 1 < argc; i += 2)
        good = compare_tensors(argv[i], argv[i + 1], &limits) && good;
    return good ? 0 : 1;
}

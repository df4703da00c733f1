/* --generate: a language model goes on with a text.
 *
 * The model's first output is taken as logits f32[batch, context, vocabulary]
 * of the next token at each place of its i32[batch, context] input.  The text
 * goes into sample 0; once it is longer than the context, its end does.  A
 * vocabulary of at most 256 is bytes; beyond that, the text and what is printed
 * are token numbers.
 */
#include "runtime/job.h"
#include "runtime/output_gather.h"
#include "support/checked.h"
#include "support/philox.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES = 256 };

typedef struct Generator {
    Job *job;
    int32_t input, output;
    int64_t context, vocabulary;
    int64_t count;   /* tokens so far */
    int32_t *tokens; /* all of them */
    float *logits;   /* of one place */
    OutputGather gather;
} Generator;

/* -- the model's side ----------------------------------------------------- */

static Status find_input(Generator *g)
{
    const Program *p = g->job->program;
    const Shape *logits = &p->outputs.data[g->output].type.shape;
    for (int32_t i = 0; i < p->inputs.count; i++) {
        const ProgramInput *input = &p->inputs.data[i];
        if (input->shift_of < 0 && input->type.dtype == DTYPE_I32 &&
            input->type.shape.rank == 2 && logits->rank == 3 &&
            logits->extent[1] == input->type.shape.extent[1]) {
            g->input = i;
            g->context = logits->extent[1];
            g->vocabulary = logits->extent[2];
            return status_ok();
        }
    }
    return status_error(STATUS_USAGE,
                        "--generate needs an input i32[batch, context] and an "
                        "output f32[batch, context, vocabulary]");
}

/* The tokens that the model sees: the last `context` of them. */
static int64_t window_begin(const Generator *g)
{
    return max_i64(g->count - g->context, 0);
}

/* Sample 0 is the window; everything else is 0. */
static Status fill(void *context, int32_t input, const int64_t *begin,
                   const int64_t *length, const Shape *block_shape, void *block)
{
    const Generator *g = context;
    memset(block, 0, (size_t)shape_count(block_shape) * sizeof(int32_t));
    if (input != g->input || begin[0] != 0 || length[0] == 0)
        return status_ok();
    const int32_t *window = g->tokens + window_begin(g);
    int64_t seen = g->count - window_begin(g);
    int32_t *row = block;
    for (int64_t i = 0; i < length[1] && begin[1] + i < seen; i++)
        row[i] = window[begin[1] + i];
    return status_ok();
}

/* Runs the model; the reporter gets the logits after the last token. */
static Status run_model(Generator *g)
{
    InputSource source = {.fill = fill, .context = g};
    OutputSink sink = output_gather_sink(&g->gather);
    TRY(job_alone(g->job,
                  worker_eval_batch(&g->job->worker, 1, &source, &sink)));
    int64_t last = g->count - window_begin(g) - 1;
    const int64_t begin[RANK_MAX] = {0, last, 0};
    const int64_t length[RANK_MAX] = {1, 1, g->vocabulary};
    return output_gather_collect(&g->gather, begin, length, g->logits);
}

/* -- choosing ------------------------------------------------------------- */

static int32_t likeliest(const Generator *g)
{
    int32_t best = 0;
    for (int32_t v = 1; v < g->vocabulary; v++)
        if (g->logits[v] > g->logits[best])
            best = v;
    return best;
}

/* A token with probability softmax(logits / temperature), by a random number
 * that depends on the seed and the token's place only. */
static int32_t sample(const Generator *g, double temperature)
{
    enum { GENERATE_STREAM = 0x5eed0003 };
    int32_t best = likeliest(g);
    if (temperature == 0)
        return best;
    double total = 0;
    for (int32_t v = 0; v < g->vocabulary; v++)
        total +=
            exp(((double)g->logits[v] - (double)g->logits[best]) / temperature);
    PhiloxWords w =
        philox(g->job->seed, (uint32_t)g->count, 0, GENERATE_STREAM, 0);
    double left = (double)philox_uniform(w.word[0]) * total;
    for (int32_t v = 0; v < g->vocabulary; v++) {
        left -=
            exp(((double)g->logits[v] - (double)g->logits[best]) / temperature);
        if (left < 0)
            return v;
    }
    return best;
}

static void print_token(const Generator *g, int32_t token)
{
    if (!g->job->is_reporter)
        return;
    if (g->vocabulary <= BYTES)
        putchar(token);
    else
        printf("%d ", token);
    fflush(stdout);
}

static Status next_token(Generator *g)
{
    Communicator *c = &g->job->communicator;
    int32_t token = 0;
    TRY(run_model(g));
    if (g->job->is_reporter)
        token = sample(g, g->job->options->temperature);
    TRY(c->interface->broadcast(c, GROUP_WORLD, g->job->reporter, &token,
                                sizeof(token)));
    g->tokens[g->count++] = token;
    print_token(g, token);
    return status_ok();
}

/* -- the text ------------------------------------------------------------- */

static Status bad_token(const Generator *g, long long token)
{
    return status_error(STATUS_USAGE,
                        "--generate: token %lld is not in the model's "
                        "vocabulary of %lld",
                        token, (long long)g->vocabulary);
}

static Status read_bytes(Generator *g, const char *text)
{
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte >= g->vocabulary)
            return bad_token(g, byte);
        g->tokens[g->count++] = byte;
    }
    return status_ok();
}

static Status read_numbers(Generator *g, const char *text)
{
    while (*text) {
        char *end;
        long long token = strtoll(text, &end, 10);
        if (end == text)
            return status_error(STATUS_USAGE,
                                "--generate: the model's vocabulary is not "
                                "bytes: give token numbers, not '%s'",
                                text);
        if (token < 0 || token >= g->vocabulary)
            return bad_token(g, token);
        g->tokens[g->count++] = (int32_t)token;
        text = end + strspn(end, " ,\n");
    }
    return status_ok();
}

static Status read_text(Generator *g, const char *text)
{
    if (!*text)
        return status_error(STATUS_USAGE, "--generate needs a text to go on "
                                          "with");
    return g->vocabulary <= BYTES ? read_bytes(g, text) : read_numbers(g, text);
}

static Status generate(Generator *g)
{
    const Options *o = g->job->options;
    TRY(read_text(g, o->generate));
    for (int64_t i = 0; i < g->count; i++)
        print_token(g, g->tokens[i]);
    TRY(job_alone(g->job, worker_eval_begin(&g->job->worker, g->job->step)));
    for (int64_t i = 0; i < o->tokens; i++)
        TRY(next_token(g));
    if (g->job->is_reporter)
        putchar('\n');
    return status_ok();
}

Status job_generate(Job *job)
{
    Generator g = {.job = job};
    const Options *o = job->options;
    TRY(job_find_output(job, &g.output));
    TRY(find_input(&g));
    int64_t most = (int64_t)strlen(o->generate) + o->tokens;
    g.tokens = arena_new(job->arena, int32_t, most);
    g.logits = arena_new(job->arena, float, g.vocabulary);
    Status status =
        output_gather_init(&g.gather, &job->worker, g.output, job->reporter);
    status = communicator_agree(&job->communicator, status);
    if (!status_failed(&status))
        status = generate(&g);
    output_gather_deinit(&g.gather);
    return status;
}

/* Random graph: a small random model, as the front end would make it.
 *
 * Steps drawn from a table (elementwise, dots, reshapes, reductions,
 * normalizations, embeddings, convolutions, dropout, ...) are applied to
 * inputs with a sample dimension and to parameters; whatever is left unused
 * enters the loss, a mean over the global batch.  No step mixes samples, so
 * any number of microbatches that divides the batch is legal.  Values stay
 * within a few units, away from NaN.
 */
#ifndef DNNC_TESTS_NUMERIC_RANDOM_GRAPH_H
#define DNNC_TESTS_NUMERIC_RANDOM_GRAPH_H

#include "ir/interpret.h"
#include "tests/numeric/random.h"

typedef struct RandomModelOptions {
    int32_t n_steps; /* >= 1; each is one to about ten nodes */
    int64_t batch;   /* samples of the global batch */
    bool dropout;    /* steps that differ between train and eval */
    bool images;     /* starts from [batch, channels, height, width] */
    bool states;     /* with states that follow the batch's statistics */
} RandomModelOptions;

typedef struct RandomModel {
    GraphSet set;   /* three graphs in FORM_MODEL, sharing their tables */
    Tensor *inputs; /* one global batch, by input index */
} RandomModel;

RandomModel random_model(Random *random, const RandomModelOptions *options,
                         Arena *arena);

/* The variables' first values: what `init` says under `seed`, by variable. */
Tensor *random_model_variables(const RandomModel *model, uint64_t seed,
                               Arena *arena);

#endif

/* Trainer: a model trained by the interpreter, one whole device: the oracle
 * that every plan's training is compared with.
 *
 * Another order of the same sums rounds otherwise.  How far that can move a
 * result depends on the model, so it is measured and not guessed: trainers
 * with noise show what roundings of one unit in the last place do
 * (Vignes, Discrete stochastic arithmetic for validating results of numerical
 * software, Numerical Algorithms, 2004). */
#ifndef DNNC_TESTS_ORACLE_TRAINER_H
#define DNNC_TESTS_ORACLE_TRAINER_H

#include "ir/interpret.h"

typedef struct Trainer {
    const GraphSet *set;
    Tensor *variables; /* by variable; what the next step reads */
    uint64_t seed;
    int64_t step;   /* of the next step */
    uint64_t noise; /* not 0: every rounded value is off by up to 2^-23 of
                       itself, at random by this key */
} Trainer;

/* Variables get their first values from set->init, or zeros without one. */
void trainer_init(Trainer *trainer, const GraphSet *set, uint64_t seed,
                  Arena *arena, Arena scratch);
/* One step on a global batch: the variables are updated in place; the loss. */
double trainer_step(Trainer *trainer, const Tensor *inputs, Arena scratch);
/* Every node's value of one graph on the present variables. */
Tensor *trainer_values(const Trainer *trainer, const Graph *graph,
                       const Tensor *inputs, Arena *arena);
/* The index of a variable of set->train; asserts that it exists. */
int32_t trainer_variable(const Trainer *trainer, const char *name);

#endif

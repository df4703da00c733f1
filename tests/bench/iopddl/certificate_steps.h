/* Steps: each verifies its own condition on the state, refuses if it does not
 * hold, and is then applied.  solver/proof.h lists them, docs/solver.md has the
 * proofs.
 */
#ifndef DNNC_TESTS_CERTIFICATE_STEPS_H
#define DNNC_TESTS_CERTIFICATE_STEPS_H

#include "certificate_state.h"

/* Choices without a finite partner over the edge go. */
void step_arc(State *state, Node *u, Node *v);
/* cost(i, j) = f(i) + g(j): the edge goes. */
void step_modular(State *state, Node *u, Node *v);
/* Each choice of u allows one of v: v goes. */
void step_follow(State *state, Node *v, Node *u);
/* v has no say in usage, and at most two neighbours or one choice: v goes. */
void step_eliminate(State *state, Node *v);
/* Choice j is as good as choice i: i goes. */
void step_dominated(State *state, Node *v, int32_t i, int32_t j);
/* Only rows with kept[] can bind: the others go. */
void step_rows(State *state, const bool *kept);
/* Choice i alone exceeds the room of the row: i goes. */
void step_exceeding(State *state, Node *v, int32_t i, int32_t row);
/* The row's room is below 0. */
void step_overfull(State *state, int32_t row);
/* Moves costs from the edge to its ends, one number a choice left. */
void step_messages(State *state, Node *u, const int64_t *to_u, Node *v,
                   const int64_t *to_v);
/* One price of a row, >= 0; the prices together stay below 2^60. */
void step_price(State *state, int32_t row, int64_t price);

/* Computes the bound and, of every choice of every node in order, the least
 * that a solution with it costs: an array of the state's pool. */
Wide *step_bound(State *state);
/* Is the claim proved here? */
bool state_closed(const State *state);

#endif

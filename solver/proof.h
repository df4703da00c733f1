/* Proof: what was done to a network, step by step, for a checker that does
 * not believe it.
 *
 * Every function appends one line to the text that `net->proof` points to,
 * and none of them does anything when it is NULL, as it is in all searches but
 * certify's.  The line is written while the network still is as it was before
 * the step.  Nodes and choices are named as in the problem, rows by the first
 * of the times they stand for.  The lines:
 *
 *     a U V        choices of U and V without a finite partner in V, U go
 *     m U V        the table is f + g: f joins U's costs, g joins V's
 *     w V U        each choice of U allows one of V: V is merged into U
 *     e V          V uses the same whatever it chooses, and has at most two
 *                  neighbours or one choice: V is minimised out
 *     d V I J      choice I of V is never better than J: I goes
 *     r N T...     only the N rows named can bind: the others go
 *     u V I T      choice I of V alone uses more than the room of row T
 *     o T          the least usage exceeds the room of row T: no solution
 *     q U V Y... Z...  messages: Y joins U's costs, Z joins V's, one for each
 *                  choice left; the table between them pays
 *     p N T Y...   the prices of N rows, all others 0
 *     b N V I...   the bound; choices whose marginal reaches the claim go
 *     s V I        split: what follows up to its end has x_V = I; then comes
 *                  the rest with x_V != I
 *     c            the end of a part: its bound reaches the claim, or it has
 *                  no solution
 *
 * docs/solver.md, section 6, says why each is valid.
 */
#ifndef DNNC_SOLVER_PROOF_H
#define DNNC_SOLVER_PROOF_H

#include "solver/network.h"

void proof_arc(const Network *net, int32_t edge);
void proof_modular(const Network *net, int32_t edge);
void proof_follow(const Network *net, int32_t from, int32_t to);
void proof_eliminate(const Network *net, int32_t node);
/* `removed` and `by` are choice indices. */
void proof_dominated(const Network *net, int32_t node, int32_t removed,
                     int32_t by);
/* stays[r]: row r is kept. */
void proof_rows(const Network *net, const bool *stays);
void proof_exceeding(const Network *net, int32_t node, int32_t choice,
                     int32_t row);
void proof_overfull(const Network *net, int32_t row);
/* Messages out of the edge between a and b, for each of their choices. */
void proof_messages(const Network *net, int32_t a, const double *message_a,
                    int32_t b, const double *message_b);
/* net->price. */
void proof_prices(const Network *net);
/* keep[choice_first of v + i]: choice i of node v stays. */
void proof_bound(const Network *net, const bool *keep);
void proof_split(const Network *net, int32_t node, int32_t choice);
void proof_closed(const Network *net);

#endif

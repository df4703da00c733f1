/* Certify: a lower bound that another program can check.
 *
 * Any messages and any prices >= 0 give a lower bound by summing minima (see
 * solver/dual.h).  This writes them for the problem itself, so that no
 * reduction has to be believed: the checker adds up
 *
 *     sum_v min_i (cost_v(i) + messages to (v, i) + prices * usage)
 *   + sum_e min_ij (cost_e(i, j) - its messages) - sum prices * usage_limit
 *
 * over the choices that arc consistency leaves.  Numbers in the file are
 * integers: messages in 1/denominator of a cost, prices in
 * 1/(denominator * price_denominator) of a cost per usage.
 */
#ifndef DNNC_SOLVER_CERTIFY_H
#define DNNC_SOLVER_CERTIFY_H

#include "solver/choice.h"
#include "support/text.h"

/* JSON in `arena`; `bound` receives what it proves. Starts from the
 * solution's prices; passes go on while they gain and `options` allow. */
Str certify(Arena *arena, Arena scratch, const ChoiceProblem *problem,
            const ChoiceSolution *solution, const ChoiceOptions *options,
            int64_t *bound);

#endif

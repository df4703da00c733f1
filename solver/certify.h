/* Certify: a lower bound that another program can check, from the problem to
 * the last subproblem.
 *
 * After the search, and with nothing of it but its incumbent and its prices,
 * the problem is reduced, bounded and split once more, and every step is
 * written down (solver/proof.h).  The proof is always of a whole claim: "no
 * assignment costs less than C".  C is the incumbent's cost if the work
 * allows, and otherwise as much as could be proved; the bound of the reduced
 * problem's relaxation is the least of it.  Where nothing is feasible the claim
 * is "no assignment keeps the limit L", proved with all costs 0: then any bound
 * above 0 proves it.
 */
#ifndef DNNC_SOLVER_CERTIFY_H
#define DNNC_SOLVER_CERTIFY_H

#include "solver/choice.h"
#include "support/text.h"

typedef struct Certificate {
    Str text;        /* in the arena */
    bool infeasible; /* `claim` is a limit that nothing keeps, */
    int64_t claim;   /* or else a cost that nothing undercuts */
} Certificate;

/* `solution` must be one of choice_solve's that is optimal, feasible or proved
 * infeasible. The work limit, if any, is for this alone; `stopped` ends it
 * with what has been proved by then: text.length is 0 if that is nothing. */
Certificate certify(Arena *arena, Arena scratch, const ChoiceProblem *problem,
                    const ChoiceSolution *solution,
                    const ChoiceOptions *options);

#endif

/* IOPDDL: the contest's JSON format of choice problems.
 *
 *     {"problem": {"name": "...",
 *         "nodes": {"intervals": [[begin, end], ...],
 *                   "costs": [[...], ...], "usages": [[...], ...]},
 *         "edges": {"nodes": [[a, b], ...], "costs": [[...], ...]},
 *         "usage_limit": n}}
 *
 * Fields come in any order; unknown ones are skipped; a missing usage_limit
 * means none.  Intervals are half open.  A number of at least 10^17 forbids
 * (the contest writes 10^18).
 */
#ifndef DNNC_SOLVER_IOPDDL_H
#define DNNC_SOLVER_IOPDDL_H

#include "solver/choice.h"
#include "support/status.h"

/* Where the bytes come from: fills up to n bytes, returns how many, 0 at the
 * end, -1 on failure with a text in *wrong. */
typedef int64_t IopddlRead(void *context, char *bytes, int64_t n,
                           const char **wrong);

typedef struct IopddlProblem {
    Str name;
    ChoiceProblem problem; /* passes choice_check */
    /* The file's nodes come first; an edge of other than two nodes became a
     * further node, whose choices are the edge's entries. */
    int32_t n_nodes;
} IopddlProblem;

/* Errors name the field, the element and the byte. All lives in `arena`. */
Status iopddl_read(Arena *arena, Arena scratch, IopddlRead *read, void *context,
                   IopddlProblem *out) MUST_USE;
/* The text of a problem, which passes choice_check; `name` needs no escapes.
 * Nodes keep their numbers; a node of several intervals is followed, after all
 * others, by nodes that are tied to it and have one each. */
Str iopddl_print(Arena *arena, Str name, const ChoiceProblem *problem);
/* A file, plain or gzip; "-" is standard input. */
Status iopddl_read_file(Arena *arena, Arena scratch, const char *path,
                        IopddlProblem *out) MUST_USE;

#endif

/* Replay: reads a certificate of `dnnc solve` and redoes its proof on its own
 * copy of the problem.
 *
 *     cost C | limit L
 *     scale S P         costs are times 2^S, prices in 2^-P of that
 *     solution X...     with cost only: a choice for every node
 *     steps             see solver/proof.h
 *
 * Shares no code with the solver.
 */
#ifndef DNNC_TESTS_CERTIFICATE_REPLAY_H
#define DNNC_TESTS_CERTIFICATE_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Verdict {
    bool proved;     /* "no assignment costs less than `claim`", or, */
    bool infeasible; /* "no assignment keeps a limit of `claim`" */
    int64_t claim;
    int64_t cost;    /* of the certificate's solution, not if infeasible */
    int64_t limit;   /* the problem's */
    int64_t n_parts; /* of the proof: 1 + splits */
    int64_t line;    /* where it was refused */
    char why[200];   /* it was */
} Verdict;

/* Up to `size` bytes of the certificate, 0 at its end, < 0 on failure. */
typedef int64_t CertificateRead(void *context, char *bytes, int64_t size);

Verdict certificate_replay(const char *problem, size_t problem_size,
                           CertificateRead *read, void *context);

#endif

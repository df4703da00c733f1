/* Communicator: bytes between the ranks of a job.
 *
 * The seam that MPI (either family) and a lone process implement.  It moves
 * bytes and nothing else: sums are made by runtime/collective.c in rank order,
 * so that every member computes the same bits on every implementation.
 *
 * Sends and receives between two ranks with one tag match in order.  A group is
 * a set of ranks in a stated order; only its members name it.  All functions
 * are called by one thread.
 */
#ifndef DNNC_RUNTIME_COMMUNICATOR_H
#define DNNC_RUNTIME_COMMUNICATOR_H

#include "support/status.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    GROUP_WORLD = 0,   /* all ranks */
    GROUPS_MAX = 16,   /* of one rank */
    REQUEST_NONE = -1, /* nothing under way: waiting for it returns at once */
};

typedef struct Communicator Communicator;

typedef struct CommunicatorInterface {
    /* Makes a group of `n` ranks, of which this is one; every member calls
     * with equal arguments.  `tag` distinguishes groups made at once. */
    Status (*group)(Communicator *c, const int64_t *ranks, int64_t n,
                    int32_t tag, int32_t *out);
    /* `bytes` from each member, in order of the group, to all. */
    Status (*all_gather)(Communicator *c, int32_t group, const void *from,
                         void *to, int64_t bytes);
    /* The i-th `bytes` of `from` go to member i; the j-th of `to` come from
     * member j. */
    Status (*all_to_all)(Communicator *c, int32_t group, const void *from,
                         void *to, int64_t bytes);
    Status (*broadcast)(Communicator *c, int32_t group, int64_t root,
                        void *data, int64_t bytes);
    Status (*barrier)(Communicator *c, int32_t group);
    /* Begin; the memory is the communicator's until `wait` returns. */
    Status (*send)(Communicator *c, int64_t rank, int32_t tag, const void *data,
                   int64_t bytes, int32_t *request);
    Status (*receive)(Communicator *c, int64_t rank, int32_t tag, void *data,
                      int64_t bytes, int32_t *request);
    /* Completes a request and sets it to REQUEST_NONE. */
    Status (*wait)(Communicator *c, int32_t *request);
    /* Lets what is under way move on; between kernels, since libraries move
     * long messages only while they are called.  Does not wait. */
    Status (*progress)(Communicator *c);
    /* Ends all ranks; does not return. */
    void (*abort)(Communicator *c, int code);
    void (*close)(Communicator *c);
} CommunicatorInterface;

struct Communicator {
    const CommunicatorInterface *interface;
    char name[96]; /* "one process", "Open MPI v4.1.4 ..." */
    int64_t rank, size;
    void *state;
};

/* A lone process: rank 0 of 1. */
Status single_communicator_open(Communicator *out) MUST_USE;

/* MPI, one implementation per family's ABI; `library` is the handle of the
 * opened MPI library.  In runtime/mpi_communicator.c. */
Status mpi_communicator_open_openmpi(Communicator *out, void *library) MUST_USE;
Status mpi_communicator_open_mpich(Communicator *out, void *library) MUST_USE;

/* What the launcher's environment asks for: MPI under a launcher, else a lone
 * process. */
Status communicator_open(Communicator *out) MUST_USE;
static inline void communicator_close(Communicator *c)
{
    if (c->interface)
        c->interface->close(c);
}

/* Every rank brings a status; all leave with the same: ok when all are ok,
 * else that of the lowest rank that failed (with its number when others did
 * not).  Collective over GROUP_WORLD. */
Status communicator_agree(Communicator *c, Status status) MUST_USE;

#endif

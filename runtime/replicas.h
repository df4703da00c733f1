/* Replicas: state that several devices hold must be the same bits on all. */
#ifndef DNNC_RUNTIME_REPLICAS_H
#define DNNC_RUNTIME_REPLICAS_H

#include "runtime/worker.h"

typedef struct Replicas {
    Worker *worker;
    uint64_t *mine; /* digests by variable */
    uint64_t *all;  /* by rank, then variable */
} Replicas;

/* Memory comes from `arena`. */
void replicas_init(Replicas *r, Worker *worker, Arena *arena);
/* Compares digests of every variable's blocks; the first difference is an error
 * that names the tensor and two ranks, the same on every rank.  Collective over
 * all ranks. */
Status replicas_check(Replicas *r) MUST_USE;

#endif

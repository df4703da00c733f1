/* Does the plan's memory fit into what this host has left? */
#ifndef DNNC_RUNTIME_MEMORY_CHECK_H
#define DNNC_RUNTIME_MEMORY_CHECK_H

#include "runtime/communicator.h"

/* Compares what the ranks of each host need (`bytes` of this one) with what
 * the kernel and the control group leave; where they do not say, it fits.
 * Collective over all ranks; every rank gets the same answer. */
Status memory_check(Communicator *communicator, int64_t bytes) MUST_USE;

#endif

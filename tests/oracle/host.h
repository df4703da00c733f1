/* Host: the cluster of tests that are not about clusters. */
#ifndef DNNC_TESTS_ORACLE_HOST_H
#define DNNC_TESTS_ORACLE_HOST_H

#include "ir/mesh.h"

/* One host of equal devices with 1 GiB each. */
Mesh host_of(int64_t devices, Arena *arena);

#endif

/* Stored: which values of the whole graph will have buffers.
 *
 * The sweep of passes/fuse.c, with the same notions (passes/fusible.h), over
 * the graph before it is cut up: layers and parts of a step are borders of
 * kernels.  Copies within a layer are looked through, as aliases; resharded,
 * they are buffers of their own, and so they count as stored. */
#ifndef DNNC_PASSES_STORED_H
#define DNNC_PASSES_STORED_H

#include "passes/storage.h"

/* Sets nodes[].stored; the rest of the entries is given. */
void stored_mark(const Graph *graph, NodeStorage *nodes, Arena scratch);

#endif

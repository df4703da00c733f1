/* Draw: random small models and clusters for the comparison of the search with
 * enumeration. */
#ifndef DNNC_TESTS_PLAN_DRAW_H
#define DNNC_TESTS_PLAN_DRAW_H

#include "ir/graph.h"
#include "ir/mesh.h"

enum { DRAW_OPERATIONS_MAX = 8, DRAW_DEVICES_MAX = 4 };

/* A stream of random numbers: equal for equal `number`. */
typedef struct Draw {
    uint32_t number, counter;
} Draw;

/* Uniform in [0, n). */
int64_t draw(Draw *d, int64_t n);

/* A train graph of up to three layers and DRAW_OPERATIONS_MAX operations
 * beside inputs and variables: products with parameters of their own or of an
 * earlier layer, elementwise functions, sums with older values, a loss, and for
 * some parameters something like a gradient and an update.  No copies yet. */
Graph *draw_graph(Draw *d, Arena *arena);

/* Up to DRAW_DEVICES_MAX devices in one or two groups, of many speeds, with
 * more memory than any graph needs. */
Mesh draw_mesh(Draw *d, Arena *arena);

#endif

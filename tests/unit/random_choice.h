/* Small random choice problems, and the enumeration of all assignments: few
 * values, many, and beyond 2^53; limits slack, tight and impossible; forbidden
 * pairs; several intervals a node; parallel and self edges. */
#ifndef DNNC_TESTS_UNIT_RANDOM_CHOICE_H
#define DNNC_TESTS_UNIT_RANDOM_CHOICE_H

#include "solver/choice.h"

enum {
    NODES_MAX = 8,
    CHOICES_MAX = 4,
    EDGES_MAX = 14,
    INTERVALS_MAX = 2,
    TIMES = 6
};

typedef struct RandomNetwork {
    ChoiceProblem problem;
    uint32_t most_cost, most_usage; /* few ties, or many */
    bool wide;                      /* costs beyond exact doubles */
    ChoiceNode nodes[NODES_MAX];
    ChoiceInterval intervals[NODES_MAX][INTERVALS_MAX];
    int64_t usage[NODES_MAX][INTERVALS_MAX][CHOICES_MAX];
    int64_t cost[NODES_MAX][CHOICES_MAX];
    ChoiceEdge edges[EDGES_MAX];
    int64_t table[EDGES_MAX][CHOICES_MAX * CHOICES_MAX];
} RandomNetwork;

/* The problem of this number, the same on every machine. */
void draw_network(RandomNetwork *r, uint32_t number);

typedef struct Best {
    bool allowed, feasible;
    int64_t cost, least_peak;
} Best;

/* Every assignment, evaluated in another way than the solver's. */
Best enumerate(const ChoiceProblem *p);
int64_t peak_of(const ChoiceProblem *p, const int32_t *x);
int64_t cost_of(const ChoiceProblem *p, const int32_t *x);

#endif

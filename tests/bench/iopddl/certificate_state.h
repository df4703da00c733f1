/* State: what is left of a problem in the course of a proof.
 *
 * A sequence of steps (certificate_steps.h) turns the state into others whose
 * best solution costs the same or, below the claim, has been kept.  Costs are
 * the problem's times 2^scale, rounded down where scale < 0.  Choices keep
 * their index while a state lives; a copy leaves out what is gone.
 */
#ifndef DNNC_TESTS_CERTIFICATE_STATE_H
#define DNNC_TESTS_CERTIFICATE_STATE_H

#include "certificate_problem.h"

#include <stdbool.h>

typedef __int128 Wide;

/* Usage in rows begin ... end - 1. */
typedef struct Interval {
    int32_t begin, end;
    int64_t *usage; /* [n_choices] */
    int64_t least;  /* of the choices left; taken off the rooms */
} Interval;

typedef struct Node {
    int32_t name;
    int32_t n_choices, n_left; /* n_left == 0 only in a contradiction */
    bool removed;
    int32_t *label; /* [n_choices] ascending: the problem's choices */
    bool *left;
    int64_t *cost;
    Interval *intervals;
    int32_t n_intervals, intervals_room;
    int32_t *edges; /* some may be removed */
    int32_t n_edges, edges_room;
} Node;

typedef struct Edge {
    int32_t a, b;
    int64_t *cost; /* [n_choices of a][n_choices of b]; NULL: removed */
} Edge;

typedef struct State {
    Pool *pool;
    int32_t n_names, n_nodes, n_edges, edges_room;
    int32_t *where; /* [n_names] index into nodes, or -1 */
    Node *nodes;
    Edge *edges;
    int32_t n_rows;
    int64_t *time;  /* [n_rows] ascending, the first that the row stands for */
    int64_t *room;  /* [n_rows] limit less everybody's least */
    int64_t *price; /* [n_rows] >= 0, in 2^-price_bits */
    int64_t constant;
    int32_t price_bits;
    bool contradiction;
    bool bounded;
    Wide bound; /* when bounded: in 2^-price_bits of a scaled cost */
    Wide most;  /* a bound above this proves the claim */
} State;

/* The whole problem. Forgets all costs that are not forbidden when
 * `infeasible`. */
State *state_new(Check *check, const Problem *problem, int scale,
                 bool infeasible);
/* A copy with memory of its own. */
State *state_copy(const State *state);
void state_free(State *state);

/* Refuse names that are not, or no longer, there. */
Node *state_node(State *state, int64_t name);
int32_t state_choice(const State *state, const Node *node, int64_t label);
int32_t state_row(const State *state, int64_t time);
/* The edge between two nodes, or NULL. */
Edge *state_edge(State *state, const Node *u, const Node *v);
/* Appends an edge, or adds the table [n of u][n of v] to the one there is. */
void state_add_edge(State *state, Node *u, Node *v, int64_t *cost);
void state_remove_choice(State *state, Node *node, int32_t choice);
/* Appends an interval and takes its least off the rooms. */
void state_add_usage(State *state, Node *node, int32_t begin, int32_t end,
                     int64_t *usage);
/* Gives an interval's least back to the rooms. */
void state_release_usage(State *state, const Interval *interval);

/* A table seen from `node`: cost[own * i + other * j]. */
typedef struct View {
    int64_t *cost;
    int64_t own, other;
    Node *neighbour;
} View;

static inline View state_view(const State *s, const Edge *e, const Node *node)
{
    bool first = &s->nodes[e->a] == node;
    int64_t n_b = s->nodes[e->b].n_choices;
    return (View){e->cost, first ? n_b : 1, first ? 1 : n_b,
                  &s->nodes[first ? e->b : e->a]};
}

#endif

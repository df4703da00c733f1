/* Planned: a shipped model on a shipped cluster, through all passes and the
 * search. */
#ifndef DNNC_TESTS_PLAN_PLANNED_H
#define DNNC_TESTS_PLAN_PLANNED_H

#include "frontend/frontend.h"
#include "passes/account.h"
#include "passes/plan.h"

typedef struct Planned {
    Model model;
    Mesh mesh;
    Plan plan;
    StageAccount *accounts;
    Diagnostics diagnostics;
} Planned;

/* `settings` are "name=value", ended by NULL.  False after diagnostics. */
bool planned(Arena *arena, Arena scratch, const char *model, const char *mesh,
             const char *const *settings, Planned *out);
/* The same without a search: model and mesh alone. */
bool planned_read(Arena *arena, Arena scratch, const char *model,
                  const char *mesh, const char *const *settings, Planned *out);

#endif

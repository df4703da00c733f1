/* Report group: variables that differ only by number, as one line. */
#ifndef DNNC_DRIVER_REPORT_GROUP_H
#define DNNC_DRIVER_REPORT_GROUP_H

#include "passes/account.h"

typedef struct VariableGroup {
    Str name; /* "block.*.up.weight"; optimizer state: its parameter's */
    VariableKind kind;
    Type type;
    Sharding sharding;
    int64_t count;
    int64_t bytes;  /* of one device, all together */
    int64_t family; /* the first group of this name and type, before sorting */
} VariableGroup;

typedef struct VariableGroups {
    VariableGroup *data;
    int64_t count, capacity;
} VariableGroups;

/* The stage's variables by name with numbers replaced, kind, type and
 * sharding: parameters with most bytes first, their optimizer's state
 * included, which follows them. */
VariableGroups variable_groups(const Graph *train, const StageAccount *account,
                               Arena *arena);

#endif

/* Report group: see the header. */
#include "driver/report_group.h"

static Str group_name(const Graph *train, const Variable *variable,
                      Arena *arena)
{
    const Variable *of =
        variable->of >= 0 ? &train->variables.data[variable->of] : variable;
    return plan_pattern(arena, of->name);
}

static VariableGroup *group_of(VariableGroups *groups, Str name,
                               const Variable *variable,
                               const Sharding *sharding, Arena *arena)
{
    int64_t family = groups->count;
    for (int64_t i = groups->count - 1; i >= 0; i--) {
        VariableGroup *group = &groups->data[i];
        if (!str_equal(group->name, name) ||
            !type_equal(&group->type, &variable->type))
            continue;
        if (group->kind == variable->kind &&
            sharding_equal(&group->sharding, sharding))
            return group;
        family = group->family;
    }
    VariableGroup *group = vector_push(arena, groups);
    *group = (VariableGroup){.name = name,
                             .kind = variable->kind,
                             .type = variable->type,
                             .sharding = *sharding,
                             .family = family};
    return group;
}

/* Families by bytes, what belongs to one together. */
static void sort_families(VariableGroups *groups, Arena scratch)
{
    int64_t *bytes = arena_new(&scratch, int64_t, groups->count);
    for (int64_t i = 0; i < groups->count; i++)
        bytes[groups->data[i].family] += groups->data[i].bytes;
    for (int64_t i = 1; i < groups->count; i++)
        for (int64_t k = i; k > 0; k--) {
            VariableGroup *pair = &groups->data[k - 1];
            int64_t a = pair[0].family, b = pair[1].family;
            if (bytes[a] > bytes[b] || (bytes[a] == bytes[b] && a <= b))
                break;
            VariableGroup swap = pair[0];
            pair[0] = pair[1];
            pair[1] = swap;
        }
}

VariableGroups variable_groups(const Graph *train, const StageAccount *account,
                               Arena *arena)
{
    VariableGroups groups = {0};
    for (int64_t i = 0; i < account->variables.count; i++) {
        const VariablePlace *place = &account->variables.data[i];
        const Variable *variable = &train->variables.data[place->variable];
        VariableGroup *group =
            group_of(&groups, group_name(train, variable, arena), variable,
                     &place->sharding, arena);
        group->count++;
        group->bytes += place->bytes;
    }
    sort_families(&groups, *arena);
    return groups;
}

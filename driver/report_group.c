/* Report group: see the header. */
#include "driver/report_group.h"

#include <ctype.h>

/* "block.3.up.weight" -> "block.*.up.weight". */
static Str pattern_of(Str name, Arena *arena)
{
    Text text = text_new(arena);
    for (int64_t i = 0; i < name.length;) {
        bool begins = i == 0 || name.data[i - 1] == '.';
        int64_t end = i;
        while (end < name.length && isdigit((unsigned char)name.data[end]))
            end++;
        bool is_number =
            begins && end > i && (end == name.length || name.data[end] == '.');
        text_append(&text, is_number ? STR("*") : (Str){name.data + i, 1});
        i = is_number ? end : i + 1;
    }
    return text_str(&text);
}

static VariableGroup *group_of(VariableGroups *groups, Str name,
                               const Variable *variable,
                               const Sharding *sharding, Arena *arena)
{
    for (int64_t i = 0; i < groups->count; i++) {
        VariableGroup *group = &groups->data[i];
        if (str_equal(group->name, name) &&
            type_equal(&group->type, &variable->type) &&
            sharding_equal(&group->sharding, sharding))
            return group;
    }
    VariableGroup *group = vector_push(arena, groups);
    *group = (VariableGroup){.name = name,
                             .kind = variable->kind,
                             .type = variable->type,
                             .sharding = *sharding};
    return group;
}

static void sort_by_bytes(VariableGroups *groups)
{
    for (int64_t i = 1; i < groups->count; i++)
        for (int64_t k = i; k > 0; k--) {
            VariableGroup *pair = &groups->data[k - 1];
            if (pair[0].bytes >= pair[1].bytes)
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
            group_of(&groups, pattern_of(variable->name, arena), variable,
                     &place->sharding, arena);
        group->count++;
        group->bytes += place->bytes;
    }
    sort_by_bytes(&groups);
    return groups;
}

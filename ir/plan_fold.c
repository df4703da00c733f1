/* Plan fold: the choices of all stages, stated once.
 *
 * A deep model repeats a block, and the planner does mostly the same in each:
 * the choices of block.0.up.dot, block.1.up.dot, ... are stated as one choice
 * of "block.*.up.dot".  A plan's text so grows with the kinds of layers, not
 * with their number, and one edit changes them all.
 */
#include "ir/plan.h"
#include "support/map.h"

#include <stddef.h>

/* -- patterns -------------------------------------------------------------- */

static bool is_number(Str part)
{
    for (int64_t i = 0; i < part.length; i++)
        if (part.data[i] < '0' || part.data[i] > '9')
            return false;
    return part.length > 0;
}

Str plan_pattern(Arena *arena, Str path)
{
    Text pattern = text_new(arena);
    bool has_number = false;
    for (int64_t begin = 0, end; begin <= path.length; begin = end + 1) {
        for (end = begin; end < path.length && path.data[end] != '.';)
            end++;
        Str part = {path.data + begin, end - begin};
        text_append(&pattern, begin ? STR(".") : STR(""));
        text_append(&pattern, is_number(part) ? STR("*") : part);
        has_number = has_number || is_number(part);
    }
    return has_number ? text_str(&pattern) : path;
}

/* -- choices of one pattern ------------------------------------------------ */

typedef struct Group {
    Str pattern;
    VECTOR(PlanChoice) members; /* by path, each once */
} Group;

typedef struct Groups {
    VECTOR(Group) list; /* in the order of first members */
    Map by_pattern, by_path;
} Groups;

static void group_choice(Groups *groups, const PlanChoice *choice, Arena *arena)
{
    bool is_new;
    map_insert(arena, &groups->by_path, choice->path, 0, &is_new);
    if (!is_new)
        return; /* an input, which every stage may read */
    Str pattern = plan_pattern(arena, choice->path);
    int64_t *group = map_insert(arena, &groups->by_pattern, pattern,
                                groups->list.count, &is_new);
    if (is_new)
        vector_push(arena, &groups->list)->pattern = pattern;
    *vector_push(arena, &groups->list.data[*group].members) = *choice;
}

/* What most members do; of equally frequent texts the first. */
static Str usual_text(const Group *group, Arena scratch)
{
    Map counts = {0};
    Str usual = group->members.data[0].text;
    int64_t most = 0;
    for (int64_t i = 0; i < group->members.count; i++)
        ++*map_insert(&scratch, &counts, group->members.data[i].text, 0, NULL);
    for (int64_t i = 0; i < counts.entries.count; i++) {
        if (counts.entries.data[i].value <= most)
            continue;
        most = counts.entries.data[i].value;
        usual = counts.entries.data[i].key;
    }
    return usual;
}

static void state_group(const Group *group, PlanChoices *out, Arena *perm,
                        Arena scratch)
{
    if (group->members.count == 1) {
        *vector_push(perm, out) = group->members.data[0];
        return;
    }
    Str usual = usual_text(group, scratch);
    *vector_push(perm, out) =
        (PlanChoice){.path = group->pattern, .text = usual};
    for (int64_t i = 0; i < group->members.count; i++)
        if (!str_equal(group->members.data[i].text, usual))
            *vector_push(perm, out) = group->members.data[i];
}

static const PlanChoices *choices_of(const PlanStage *stage, bool eval)
{
    return eval ? &stage->eval : &stage->train;
}

static void state_choices(const Plan *plan, PlanStrategies *entry, bool eval,
                          Arena *perm, Arena scratch)
{
    Groups groups = {0};
    for (int64_t i = 0; i < entry->stages.count; i++) {
        const PlanChoices *choices =
            choices_of(&plan->stages.data[entry->stages.data[i]], eval);
        for (int64_t c = 0; c < choices->count; c++)
            group_choice(&groups, &choices->data[c], &scratch);
    }
    for (int64_t g = 0; g < groups.list.count; g++) {
        Group *group = &groups.list.data[g];
        group->pattern = str_copy(perm, group->pattern);
        state_group(group, eval ? &entry->eval : &entry->train, perm, scratch);
    }
}

/* -- stages that share an entry -------------------------------------------- */

/* Whether two stages disagree about a node: an input that both read. */
static bool disagree(const PlanStage *a, const PlanStage *b, bool eval,
                     Arena scratch)
{
    const PlanChoices *of_a = choices_of(a, eval), *of_b = choices_of(b, eval);
    Map texts = {0};
    for (int64_t i = 0; i < of_a->count; i++)
        map_insert(&scratch, &texts, of_a->data[i].path, i, NULL);
    for (int64_t i = 0; i < of_b->count; i++) {
        const int64_t *same = map_find(&texts, of_b->data[i].path);
        if (same && !str_equal(of_a->data[*same].text, of_b->data[i].text))
            return true;
    }
    return false;
}

static bool takes(const Plan *plan, const PlanStrategies *entry,
                  const PlanStage *stage, Arena scratch)
{
    for (int64_t i = 0; i < entry->stages.count; i++) {
        const PlanStage *other = &plan->stages.data[entry->stages.data[i]];
        if (!mesh_same_axes(&other->mesh, &stage->mesh) ||
            disagree(other, stage, false, scratch) ||
            disagree(other, stage, true, scratch))
            return false;
    }
    return true;
}

void plan_fold(Arena *perm, Arena scratch, Plan *plan)
{
    plan->strategies.count = 0;
    for (int32_t s = 0; s < plan->stages.count; s++) {
        int64_t e = 0;
        while (e < plan->strategies.count &&
               !takes(plan, &plan->strategies.data[e], &plan->stages.data[s],
                      scratch))
            e++;
        if (e == plan->strategies.count)
            vector_push(perm, &plan->strategies);
        *vector_push(perm, &plan->strategies.data[e].stages) = s;
    }
    for (int64_t e = 0; e < plan->strategies.count; e++) {
        state_choices(plan, &plan->strategies.data[e], false, perm, scratch);
        state_choices(plan, &plan->strategies.data[e], true, perm, scratch);
    }
}

/* Plan print: a plan as JSON (docs/plan.md). */
#include "ir/plan.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>

static json_t *text_of(Str s)
{
    json_t *text = json_stringn(s.data, (size_t)s.length);
    return text ? text : json_string(""); /* not UTF-8: nothing to show */
}

static void set(json_t *object, const char *key, json_t *value)
{
    json_object_set_new(object, key, value);
}

static void set_integer(json_t *object, const char *key, int64_t value)
{
    set(object, key, json_integer((json_int_t)value));
}

static void set_hash(json_t *object, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)value);
    set(object, key, json_string(text));
}

static json_t *choices_of(const PlanChoices *choices)
{
    json_t *object = json_object();
    for (int64_t i = 0; i < choices->count; i++)
        json_object_setn_new(object, choices->data[i].path.data,
                             (size_t)choices->data[i].path.length,
                             text_of(choices->data[i].text));
    return object;
}

static json_t *strategies_of(const PlanStrategies *strategies)
{
    json_t *object = json_object(), *stages = json_array();
    for (int64_t i = 0; i < strategies->stages.count; i++)
        json_array_append_new(stages, json_integer(strategies->stages.data[i]));
    set(object, "stages", stages);
    set(object, "train", choices_of(&strategies->train));
    set(object, "eval", choices_of(&strategies->eval));
    return object;
}

static json_t *submesh_of(const Submesh *submesh)
{
    json_t *object = json_object();
    set_integer(object, "group", submesh->group);
    set_integer(object, "host", submesh->host);
    set_integer(object, "device", submesh->device);
    set_integer(object, "hosts", submesh->n_hosts);
    set_integer(object, "devices_per_host", submesh->devices_per_host);
    return object;
}

static json_t *axes_of(const LogicalMesh *mesh)
{
    json_t *object = json_object();
    for (int32_t axis = 1; axis < mesh->n_axes; axis++)
        json_object_setn_new(object, mesh->axis[axis].name.data,
                             (size_t)mesh->axis[axis].name.length,
                             json_integer((json_int_t)mesh->axis[axis].size));
    return object;
}

static json_t *memory_of(const PlanMemory *memory)
{
    json_t *object = json_object();
    set_integer(object, "parameters", memory->parameters);
    set_integer(object, "optimizer", memory->optimizer);
    set_integer(object, "gradients", memory->gradients);
    set_integer(object, "saved", memory->saved);
    set_integer(object, "transient", memory->transient);
    set_integer(object, "peak", memory->peak);
    return object;
}

static json_t *stage_of(const PlanStage *stage)
{
    json_t *object = json_object(), *layers = json_array();
    json_array_append_new(layers, json_integer(stage->first_layer));
    json_array_append_new(layers, json_integer(stage->end_layer));
    set(object, "layers", layers);
    set(object, "submesh", submesh_of(&stage->submesh));
    set(object, "mesh", axes_of(&stage->mesh));
    set(object, "microbatch_seconds", json_real(stage->microbatch_seconds));
    set(object, "step_seconds", json_real(stage->step_seconds));
    set(object, "memory_bytes", memory_of(&stage->memory));
    return object;
}

/* -- layers ---------------------------------------------------------------- */

/* The bytes before which `a` and `b` end a part and differ in it alone:
 * "block.1" and "block.2" of "block.1.q.dot" and "block.2.q.dot". */
static bool renamed_part(Str a, Str b, Str *from, Str *to)
{
    int64_t same = 0;
    while (same < a.length && same < b.length && a.data[same] == b.data[same])
        same++;
    *from = (Str){a.data, same};
    *to = (Str){b.data, same};
    while (from->length < a.length && a.data[from->length] != '.')
        from->length++;
    while (to->length < b.length && b.data[to->length] != '.')
        to->length++;
    return same < a.length && same < b.length;
}

/* Whether the layer is the `earlier` one with a leading part renamed. */
static bool is_like(const PlanLayer *layer, const PlanLayer *earlier, Str *from,
                    Str *to)
{
    if (layer->paths.count != earlier->paths.count || !layer->paths.count ||
        !renamed_part(earlier->paths.data[0], layer->paths.data[0], from, to))
        return false;
    for (int64_t i = 0; i < layer->paths.count; i++) {
        Str a = earlier->paths.data[i], b = layer->paths.data[i];
        if (!str_starts_with(a, *from) || !str_starts_with(b, *to) ||
            !str_equal((Str){a.data + from->length, a.length - from->length},
                       (Str){b.data + to->length, b.length - to->length}))
            return false;
    }
    return true;
}

static json_t *like_of(int64_t earlier, Str from, Str to)
{
    json_t *object = json_object();
    set_integer(object, "layer", earlier);
    set(object, "from", text_of(from));
    set(object, "to", text_of(to));
    return object;
}

static json_t *layer_of(const Plan *plan, int64_t l)
{
    const PlanLayer *layer = &plan->layers.data[l];
    json_t *object = json_object();
    set(object, "name", text_of(layer->name));
    for (int64_t earlier = 0; earlier < l; earlier++) {
        Str from, to;
        if (!is_like(layer, &plan->layers.data[earlier], &from, &to))
            continue;
        set(object, "like", like_of(earlier, from, to));
        return object;
    }
    json_t *nodes = json_array();
    for (int64_t i = 0; i < layer->paths.count; i++)
        json_array_append_new(nodes, text_of(layer->paths.data[i]));
    set(object, "nodes", nodes);
    return object;
}

/* -- the whole ------------------------------------------------------------- */

static json_t *model_of(const Plan *plan)
{
    json_t *object = json_object(), *settings = json_object();
    for (int64_t i = 0; i < plan->settings.count; i++)
        json_object_setn_new(settings, plan->settings.data[i].name.data,
                             (size_t)plan->settings.data[i].name.length,
                             text_of(plan->settings.data[i].value));
    set(object, "name", text_of(plan->model_name));
    set(object, "path", text_of(plan->model_path));
    set_hash(object, "hash", plan->model_hash);
    set(object, "settings", settings);
    set(object, "text", text_of(plan->model_text));
    return object;
}

static json_t *mesh_of(const Plan *plan)
{
    json_t *object = json_object();
    set(object, "path", text_of(plan->mesh_path));
    set_hash(object, "hash", plan->mesh_hash);
    set(object, "text", text_of(plan->mesh_text));
    return object;
}

static json_t *plan_object(const Plan *plan)
{
    json_t *object = json_object(), *idle = json_array();
    json_t *layers = json_array(), *stages = json_array();
    json_t *strategies = json_array();
    for (int64_t i = 0; i < plan->idle_ranks.count; i++)
        json_array_append_new(
            idle, json_integer((json_int_t)plan->idle_ranks.data[i]));
    for (int64_t i = 0; i < plan->layers.count; i++)
        json_array_append_new(layers, layer_of(plan, i));
    for (int64_t i = 0; i < plan->stages.count; i++)
        json_array_append_new(stages, stage_of(&plan->stages.data[i]));
    for (int64_t i = 0; i < plan->strategies.count; i++)
        json_array_append_new(strategies,
                              strategies_of(&plan->strategies.data[i]));
    set_integer(object, "dnnc_plan", PLAN_VERSION);
    set_integer(object, "microbatches", plan->n_microbatches);
    set(object, "planned_seconds", json_real(plan->planned_seconds));
    set(object, "lower_bound_seconds", json_real(plan->lower_bound_seconds));
    set(object, "idle_ranks", idle);
    set(object, "stages", stages);
    set(object, "strategies", strategies);
    set(object, "layers", layers);
    set(object, "model", model_of(plan));
    set(object, "mesh", mesh_of(plan));
    return object;
}

Str plan_print(Arena *arena, const Plan *plan)
{
    json_t *object = plan_object(plan);
    char *text = json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    assert(text && "a tree of finite numbers and UTF-8 texts");
    Str result = str_format(arena, "%s\n", text);
    free(text);
    json_decref(object);
    return result;
}

/* Plan parse: from JSON (docs/plan.md) to a plan, every value checked for its
 * type and range, every complaint with its place. */
#include "ir/json_place.h"
#include "ir/plan.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

typedef struct Reader {
    Arena *arena;
    int32_t source;
    Str text;
    Diagnostics *diagnostics;
    bool good;
} Reader;

/* A value and where it is. */
typedef struct Item {
    json_t *value; /* NULL: missing */
    const JsonPath *path;
} Item;

static void complain(Reader *r, Item item, const char *expected)
{
    Str path = json_path_print(r->arena, item.path);
    r->good = false;
    if (item.value)
        diagnose(r->diagnostics,
                 json_span(r->diagnostics, r->source, item.path), plan_value,
                 STR_ARG(path), expected);
    else
        diagnose(r->diagnostics,
                 json_span(r->diagnostics, r->source, item.path), plan_missing,
                 STR_ARG(path), expected);
}

/* -- values ---------------------------------------------------------------- */

static Item member(const Reader *r, Item object, const char *key)
{
    JsonPath *path = arena_new(r->arena, JsonPath, 1);
    *path = (JsonPath){object.path, key, 0};
    return (Item){json_object_get(object.value, key), path};
}

static Item element(const Reader *r, Item array, int64_t index)
{
    JsonPath *path = arena_new(r->arena, JsonPath, 1);
    *path = (JsonPath){array.path, NULL, index};
    return (Item){json_array_get(array.value, (size_t)index), path};
}

static bool is_object(Reader *r, Item item)
{
    if (json_is_object(item.value))
        return true;
    complain(r, item, "an object");
    return false;
}

static int64_t array_count(Reader *r, Item item)
{
    if (json_is_array(item.value))
        return (int64_t)json_array_size(item.value);
    complain(r, item, "an array");
    return 0;
}

static int64_t integer_in(Reader *r, Item item, int64_t least, int64_t most)
{
    int64_t value = json_integer_value(item.value);
    if (json_is_integer(item.value) && value >= least && value <= most)
        return value;
    Str expected = str_format(r->arena, "an integer from %lld to %lld",
                              (long long)least, (long long)most);
    complain(r, item, expected.data);
    return least;
}

static double seconds_in(Reader *r, Item item)
{
    double value = json_number_value(item.value);
    if (json_is_number(item.value) && isfinite(value) && value >= 0)
        return value;
    complain(r, item, "seconds, a number >= 0");
    return 0;
}

static Str text_in(Reader *r, Item item)
{
    if (!json_is_string(item.value)) {
        complain(r, item, "a string");
        return STR("");
    }
    Str text = {json_string_value(item.value),
                (int64_t)json_string_length(item.value)};
    return str_copy(r->arena, text);
}

/* 16 hexadecimal digits. */
static uint64_t hash_in(Reader *r, Item item)
{
    const char *digits = "0123456789abcdef";
    Str text = text_in(r, item);
    uint64_t hash = 0;
    for (int64_t i = 0; i < text.length; i++) {
        const char *digit = strchr(digits, text.data[i]);
        if (digit == NULL || text.length != 16) {
            complain(r, item, "a hash of 16 hexadecimal digits");
            return 0;
        }
        hash = hash << 4 | (uint64_t)(digit - digits);
    }
    return hash;
}

/* -- parts of a plan ------------------------------------------------------- */

enum { COUNT_MAX = 1 << 20 };

static Submesh submesh_in(Reader *r, Item item)
{
    Submesh submesh = {.n_hosts = 1, .devices_per_host = 1};
    if (!is_object(r, item))
        return submesh;
    submesh.group =
        (int32_t)integer_in(r, member(r, item, "group"), 0, COUNT_MAX);
    submesh.host = integer_in(r, member(r, item, "host"), 0, COUNT_MAX);
    submesh.device = integer_in(r, member(r, item, "device"), 0, COUNT_MAX);
    submesh.n_hosts = integer_in(r, member(r, item, "hosts"), 1, COUNT_MAX);
    submesh.devices_per_host =
        integer_in(r, member(r, item, "devices_per_host"), 1, COUNT_MAX);
    return submesh;
}

/* {"x": 4, "y": 2}: axes in order, sizes alone. */
static LogicalMesh mesh_in(Reader *r, Item item, int64_t n_microbatches)
{
    static const char *const NAMES[] = {"x", "y", "z"};
    LogicalMesh mesh = {.n_axes = 1};
    mesh.axis[0] =
        (LogicalAxis){.name = STR("microbatch"), .size = n_microbatches};
    if (!is_object(r, item))
        return mesh;
    int64_t count = (int64_t)json_object_size(item.value);
    if (count > MESH_AXES_MAX - 1)
        complain(r, item, "at most three axes \"x\", \"y\", \"z\"");
    for (int64_t i = 0; i < count && i < MESH_AXES_MAX - 1; i++)
        mesh.axis[mesh.n_axes++] = (LogicalAxis){
            .name = str_from(NAMES[i]),
            .size = integer_in(r, member(r, item, NAMES[i]), 1, COUNT_MAX),
        };
    return mesh;
}

static void memory_in(Reader *r, Item item, PlanMemory *out)
{
    const struct {
        const char *key;
        int64_t *field;
    } fields[] = {
        {"parameters", &out->parameters}, {"optimizer", &out->optimizer},
        {"gradients", &out->gradients},   {"saved", &out->saved},
        {"transient", &out->transient},   {"peak", &out->peak},
    };
    if (!is_object(r, item))
        return;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        *fields[i].field =
            integer_in(r, member(r, item, fields[i].key), 0, INT64_MAX / 8);
}

static void choices_in(Reader *r, Item item, PlanChoices *out)
{
    const char *path;
    json_t *value;
    if (!is_object(r, item))
        return;
    json_object_foreach(item.value, path, value) * vector_push(r->arena, out) =
        (PlanChoice){
            .path = str_copy(r->arena, str_from(path)),
            .text = text_in(r, member(r, item, path)),
        };
}

static void strategies_in(Reader *r, Item item, Plan *plan)
{
    PlanStrategies *entry = vector_push(r->arena, &plan->strategies);
    if (!is_object(r, item))
        return;
    Item stages = member(r, item, "stages");
    int64_t count = array_count(r, stages);
    for (int64_t i = 0; i < count; i++)
        *vector_push(r->arena, &entry->stages) = (int32_t)integer_in(
            r, element(r, stages, i), 0, plan->stages.count - 1);
    choices_in(r, member(r, item, "train"), &entry->train);
    choices_in(r, member(r, item, "eval"), &entry->eval);
}

static void stage_in(Reader *r, Item item, Plan *plan)
{
    PlanStage *stage = vector_push(r->arena, &plan->stages);
    if (!is_object(r, item))
        return;
    Item layers = member(r, item, "layers");
    stage->first_layer =
        (int32_t)integer_in(r, element(r, layers, 0), 0, COUNT_MAX);
    stage->end_layer =
        (int32_t)integer_in(r, element(r, layers, 1), 0, COUNT_MAX);
    stage->submesh = submesh_in(r, member(r, item, "submesh"));
    stage->mesh = mesh_in(r, member(r, item, "mesh"), plan->n_microbatches);
    stage->microbatch_seconds =
        seconds_in(r, member(r, item, "microbatch_seconds"));
    stage->step_seconds = seconds_in(r, member(r, item, "step_seconds"));
    memory_in(r, member(r, item, "memory_bytes"), &stage->memory);
}

/* The nodes of an earlier layer with the leading part of their paths
 * renamed. */
static void like_in(Reader *r, Item item, Plan *plan)
{
    PlanLayer *layer = &plan->layers.data[plan->layers.count - 1];
    if (!is_object(r, item))
        return;
    Item layer_item = member(r, item, "layer");
    int64_t index = json_integer_value(layer_item.value);
    if (!json_is_integer(layer_item.value) || index < 0 ||
        index >= plan->layers.count - 1) {
        complain(r, layer_item, "the index of an earlier layer");
        return;
    }
    const PlanLayer *earlier = &plan->layers.data[index];
    Item from_item = member(r, item, "from");
    Str from = text_in(r, from_item), to = text_in(r, member(r, item, "to"));
    int64_t count = earlier->paths.count;
    for (int64_t i = 0; i < count; i++) {
        Str path = earlier->paths.data[i];
        if (!str_starts_with(path, from)) {
            complain(r, from_item, "how all paths of that layer begin");
            return;
        }
        *vector_push(r->arena, &layer->paths) = str_format(
            r->arena, "%.*s%.*s", STR_ARG(to), (int)(path.length - from.length),
            path.data + from.length);
    }
}

static void layer_in(Reader *r, Item item, Plan *plan)
{
    PlanLayer *layer = vector_push(r->arena, &plan->layers);
    if (!is_object(r, item))
        return;
    layer->name = text_in(r, member(r, item, "name"));
    Item like = member(r, item, "like");
    if (like.value) {
        like_in(r, like, plan);
        return;
    }
    Item nodes = member(r, item, "nodes");
    int64_t count = array_count(r, nodes);
    for (int64_t i = 0; i < count; i++)
        *vector_push(r->arena, &layer->paths) =
            text_in(r, element(r, nodes, i));
}

static void model_in(Reader *r, Item item, Plan *plan)
{
    if (!is_object(r, item))
        return;
    plan->model_name = text_in(r, member(r, item, "name"));
    plan->model_path = text_in(r, member(r, item, "path"));
    plan->model_hash = hash_in(r, member(r, item, "hash"));
    plan->model_text = text_in(r, member(r, item, "text"));
    Item settings = member(r, item, "settings");
    const char *name;
    json_t *value;
    if (!is_object(r, settings))
        return;
    json_object_foreach(settings.value, name, value) *
        vector_push(r->arena, &plan->settings) =
        (PlanSetting){str_copy(r->arena, str_from(name)),
                      text_in(r, member(r, settings, name))};
}

static void mesh_text_in(Reader *r, Item item, Plan *plan)
{
    if (!is_object(r, item))
        return;
    plan->mesh_path = text_in(r, member(r, item, "path"));
    plan->mesh_hash = hash_in(r, member(r, item, "hash"));
    plan->mesh_text = text_in(r, member(r, item, "text"));
}

static void plan_in(Reader *r, Item item, Plan *plan)
{
    if (!is_object(r, item))
        return;
    integer_in(r, member(r, item, "dnnc_plan"), PLAN_VERSION, PLAN_VERSION);
    plan->n_microbatches =
        integer_in(r, member(r, item, "microbatches"), 1, COUNT_MAX);
    plan->planned_seconds = seconds_in(r, member(r, item, "planned_seconds"));
    plan->lower_bound_seconds =
        seconds_in(r, member(r, item, "lower_bound_seconds"));
    Item idle = member(r, item, "idle_ranks"),
         stages = member(r, item, "stages"),
         strategies = member(r, item, "strategies"),
         layers = member(r, item, "layers");
    int64_t n_idle = array_count(r, idle), n_stages = array_count(r, stages),
            n_entries = array_count(r, strategies),
            n_layers = array_count(r, layers);
    for (int64_t i = 0; i < n_idle; i++)
        *vector_push(r->arena, &plan->idle_ranks) =
            integer_in(r, element(r, idle, i), 0, COUNT_MAX);
    for (int64_t i = 0; i < n_stages; i++)
        stage_in(r, element(r, stages, i), plan);
    for (int64_t i = 0; i < n_entries; i++)
        strategies_in(r, element(r, strategies, i), plan);
    for (int64_t i = 0; i < n_layers; i++)
        layer_in(r, element(r, layers, i), plan);
    model_in(r, member(r, item, "model"), plan);
    mesh_text_in(r, member(r, item, "mesh"), plan);
}

bool plan_parse(Arena *arena, int32_t source, Diagnostics *diagnostics,
                Plan *out)
{
    Reader r = {arena, source, diagnostics->sources.data[source].text,
                diagnostics, true};
    json_error_t error;
    json_t *root = json_loadb(r.text.data, (size_t)r.text.length,
                              JSON_REJECT_DUPLICATES, &error);
    *out = (Plan){.n_microbatches = 1};
    if (!root) {
        int32_t at = error.position < r.text.length ? (int32_t)error.position
                                                    : (int32_t)r.text.length;
        diagnose(diagnostics, ((Span){source, at, at}), plan_syntax,
                 error.text);
        return false;
    }
    plan_in(&r, (Item){root, NULL}, out);
    json_decref(root);
    return r.good;
}

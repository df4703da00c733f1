/* Report: the text of `dnnc plan`. */
#include "driver/report.h"

#include "driver/report_group.h"
#include "passes/account.h"

#include <math.h>

enum {
    COLUMN_NAME = 2,
    COLUMN_COUNT = 29,
    COLUMN_TYPE = 35,
    COLUMN_SHARDING = 54,
    COLUMN_BYTES = 69,
    LINE_WIDTH = 80,
    GROUPS_SHOWN_MAX = 14,
    IDLE_SHOWN_MAX = 16,
    BAR_WIDTH = 30,
};

typedef struct Report {
    Text text;
    Arena *scratch;
    const Graph *train;
    const Mesh *mesh;
    const Plan *plan;
    const StageAccount *accounts;
    const VariableGroups *groups; /* by stage */
} Report;

/* Equal stages in a row, reported as one. */
typedef struct StageRun {
    int64_t first, n;
} StageRun;

static Str seconds(Report *r, double value)
{
    return text_seconds(r->scratch, value);
}

static Str bytes(Report *r, int64_t value)
{
    return text_bytes(r->scratch, value);
}

static int percent(double part, double whole)
{
    return whole > 0 ? (int)lround(100 * part / whole) : 0;
}

static const char *plural(int64_t n)
{
    return n == 1 ? "" : "s";
}

/* A cell of that width and a space, the text cut to fit. */
static void cell(Report *r, Str text, int width)
{
    if (text.length > width)
        text_format(&r->text, "%.*s.. ", width - 2, text.data);
    else
        text_format(&r->text, "%-*.*s ", width, STR_ARG(text));
}

/* -- the whole ------------------------------------------------------------- */

static double stage_seconds(const Report *r, int64_t s)
{
    const PlanStage *stage = &r->plan->stages.data[s];
    return stage->microbatch_seconds +
           stage->step_seconds / (double)r->plan->n_microbatches;
}

static int64_t slowest_stage(const Report *r)
{
    int64_t slowest = 0;
    for (int64_t s = 1; s < r->plan->stages.count; s++)
        if (stage_seconds(r, s) > stage_seconds(r, slowest))
            slowest = s;
    return slowest;
}

static void report_head(Report *r)
{
    const Plan *plan = r->plan;
    int64_t devices = cluster_devices(r->mesh);
    text_format(&r->text,
                "%.*s on %.*s: %lld stage%s, %lld microbatch%s, %lld of %lld "
                "device%s\n\n",
                STR_ARG(plan->model_name), STR_ARG(r->mesh->name),
                (long long)plan->stages.count, plural(plan->stages.count),
                (long long)plan->n_microbatches,
                plan->n_microbatches == 1 ? "" : "es",
                (long long)(devices - plan->idle_ranks.count),
                (long long)devices, plural(devices));
}

/* What is trained: a job's samples a step are its batch. */
static void report_model(Report *r)
{
    int64_t parameters = 0;
    for (int64_t i = 0; i < r->train->variables.count; i++) {
        const Variable *v = &r->train->variables.data[i];
        if (v->kind == VARIABLE_PARAMETER)
            parameters += shape_count(&v->type.shape);
    }
    text_format(&r->text, "  model             %.*s parameters",
                STR_ARG(text_count(r->scratch, parameters)));
    if (r->train->inputs.count)
        text_format(&r->text, ", %lld samples a step",
                    (long long)r->train->inputs.data[0].type.shape.extent[0]);
    text_append(&r->text, STR("\n"));
}

static void report_bound(Report *r)
{
    double planned = r->plan->planned_seconds;
    double bound = r->plan->lower_bound_seconds;
    text_format(&r->text, "  planned step      %-10.*s",
                STR_ARG(seconds(r, planned)));
    if (bound <= 0)
        text_append(&r->text, STR("not searched, so without a bound\n"));
    else if (planned <= bound * (1 + 1e-9))
        text_append(&r->text, STR("optimal: no plan of the search space is "
                                  "faster\n"));
    else
        text_format(&r->text, "no plan takes less than %.*s (gap %.2f %%)\n",
                    STR_ARG(seconds(r, bound)), 100 * (planned / bound - 1));
}

/* One microbatch through all stages, then the slowest stage M - 1 times. */
static void report_time(Report *r)
{
    int64_t slowest = slowest_stage(r);
    double planned = r->plan->planned_seconds;
    double busy = (double)r->plan->n_microbatches * stage_seconds(r, slowest);
    const StageAccount *a = &r->accounts[slowest];
    double compute = 1e-9 * (double)a->compute_nanoseconds;
    double received = 1e-9 * (double)a->received_nanoseconds;
    double collectives = fmax(0, busy - compute - received);
    double fill = fmax(0, planned - busy);
    text_format(&r->text, "  where it goes     compute %.*s (%d %%)",
                STR_ARG(seconds(r, compute)), percent(compute, planned));
    text_format(&r->text, "   collectives %.*s (%d %%)",
                STR_ARG(seconds(r, collectives)),
                percent(collectives, planned));
    if (r->plan->stages.count > 1)
        text_format(&r->text,
                    "\n                    transfers %.*s (%d %%)  filling the "
                    "pipeline %.*s (%d %%)\n"
                    "                    slowest: stage %lld",
                    STR_ARG(seconds(r, received)), percent(received, planned),
                    STR_ARG(seconds(r, fill)), percent(fill, planned),
                    (long long)slowest);
    text_append(&r->text, STR("\n"));
}

/* -- stages that are alike ------------------------------------------------- */

static bool same_groups(const VariableGroups *a, const VariableGroups *b)
{
    bool same = a->count == b->count;
    for (int64_t i = 0; same && i < a->count; i++) {
        const VariableGroup *x = &a->data[i], *y = &b->data[i];
        same = str_equal(x->name, y->name) && x->kind == y->kind &&
               type_equal(&x->type, &y->type) && x->count == y->count &&
               sharding_equal(&x->sharding, &y->sharding);
    }
    return same;
}

static bool same_traffic(const StageAccount *a, const StageAccount *b)
{
    bool same = a->traffic.count == b->traffic.count &&
                a->received_runs == b->received_runs &&
                a->received_bytes == b->received_bytes;
    for (int64_t i = 0; same && i < a->traffic.count; i++) {
        const Traffic *x = &a->traffic.data[i], *y = &b->traffic.data[i];
        same = x->kind == y->kind && x->axis == y->axis && x->part == y->part &&
               x->runs == y->runs && x->bytes == y->bytes;
    }
    return same;
}

/* Alike in all that a report says of them but their memory: the earlier of two
 * such stages holds more microbatches. */
static bool alike(Report *r, int64_t a, int64_t b)
{
    const PlanStage *x = &r->plan->stages.data[a];
    const PlanStage *y = &r->plan->stages.data[b];
    return x->end_layer - x->first_layer == y->end_layer - y->first_layer &&
           x->submesh.group == y->submesh.group &&
           x->submesh.n_hosts == y->submesh.n_hosts &&
           mesh_same_axes(&x->mesh, &y->mesh) &&
           str_equal(seconds(r, x->microbatch_seconds),
                     seconds(r, y->microbatch_seconds)) &&
           str_equal(seconds(r, x->step_seconds),
                     seconds(r, y->step_seconds)) &&
           same_groups(&r->groups[a], &r->groups[b]) &&
           same_traffic(&r->accounts[a], &r->accounts[b]);
}

static StageRun run_from(Report *r, int64_t first)
{
    StageRun run = {first, 1};
    while (first + run.n < r->plan->stages.count &&
           alike(r, first, first + run.n))
        run.n++;
    return run;
}

/* -- a run of stages ------------------------------------------------------- */

/* "3", "3-5" */
static Str range(Report *r, int64_t first, int64_t last)
{
    return first == last ? str_format(r->scratch, "%lld", (long long)first)
                         : str_format(r->scratch, "%lld-%lld", (long long)first,
                                      (long long)last);
}

static void report_layers(Report *r, StageRun run)
{
    const PlanStage *first = &r->plan->stages.data[run.first];
    const PlanLayer *layers = r->plan->layers.data;
    int32_t begin = first->first_layer;
    int32_t last = first[run.n - 1].end_layer - 1;
    text_format(&r->text, "  layers     %.*s: %.*s",
                STR_ARG(range(r, begin, last)), STR_ARG(layers[begin].name));
    if (!str_equal(layers[begin].name, layers[last].name))
        text_format(&r->text, " to %.*s", STR_ARG(layers[last].name));
    if (run.n > 1)
        text_format(&r->text, "   %d a stage", first->end_layer - begin);
    text_append(&r->text, STR("\n"));
}

static void report_devices(Report *r, StageRun run)
{
    const PlanStage *stage = &r->plan->stages.data[run.first];
    const Submesh *submesh = &stage->submesh;
    const Submesh *end = &stage[run.n - 1].submesh;
    const HostGroup *group = &r->mesh->groups.data[submesh->group];
    int64_t first = submesh_rank(r->mesh, submesh, 0);
    int64_t last = submesh_rank(r->mesh, end, submesh_devices(end) - 1);
    text_format(&r->text, "  device%s    %.*s (%.*s, %lld host%s of '%.*s'%s)",
                first == last ? " " : "s", STR_ARG(range(r, first, last)),
                STR_ARG(submesh_device_type(r->mesh, submesh)->name),
                (long long)submesh->n_hosts, plural(submesh->n_hosts),
                STR_ARG(group->name), run.n > 1 ? " a stage" : "");
    text_append(&r->text, STR("   mesh"));
    for (int32_t axis = 1; axis < stage->mesh.n_axes; axis++)
        text_format(&r->text, " %.*s=%lld",
                    STR_ARG(stage->mesh.axis[axis].name),
                    (long long)stage->mesh.axis[axis].size);
    if (stage->mesh.n_axes == 1)
        text_append(&r->text, STR(" of one device"));
    text_append(&r->text, STR("\n"));
}

static void report_stage_head(Report *r, StageRun run)
{
    const PlanStage *stage = &r->plan->stages.data[run.first];
    text_format(&r->text, "\nstage%s %.*s\n", plural(run.n),
                STR_ARG(range(r, run.first, run.first + run.n - 1)));
    report_layers(r, run);
    report_devices(r, run);
    text_format(&r->text, "  time       %.*s a microbatch",
                STR_ARG(seconds(r, stage->microbatch_seconds)));
    text_format(&r->text, ", %.*s once a step\n",
                STR_ARG(seconds(r, stage->step_seconds)));
}

static void report_group(Report *r, const PlanStage *stage,
                         const VariableGroup *group)
{
    int32_t rank = group->type.shape.rank;
    text_pad(&r->text, COLUMN_NAME);
    cell(r,
         group->kind == VARIABLE_OPTIMIZER ? STR("  optimizer state")
                                           : group->name,
         COLUMN_COUNT - COLUMN_NAME - 1);
    text_format(&r->text, "%4lld  ", (long long)group->count);
    cell(r, type_print(r->scratch, &group->type),
         COLUMN_SHARDING - COLUMN_TYPE - 1);
    cell(r, sharding_print(r->scratch, &stage->mesh, rank, &group->sharding),
         COLUMN_BYTES - COLUMN_SHARDING - 1);
    text_format(&r->text, "%*.*s\n", LINE_WIDTH - COLUMN_BYTES,
                STR_ARG(bytes(r, group->bytes)));
}

static void report_variables(Report *r, int64_t s)
{
    const PlanStage *stage = &r->plan->stages.data[s];
    const VariableGroups *groups = &r->groups[s];
    int64_t rest = 0;
    text_append(&r->text, STR("\n  variables"));
    text_pad(&r->text, COLUMN_COUNT);
    text_append(&r->text, STR(" no.  type"));
    text_pad(&r->text, COLUMN_SHARDING);
    text_append(&r->text, STR("sharding"));
    text_pad(&r->text, COLUMN_BYTES);
    text_append(&r->text, STR(" per device\n"));
    for (int64_t i = 0; i < groups->count; i++) {
        if (i < GROUPS_SHOWN_MAX)
            report_group(r, stage, &groups->data[i]);
        else
            rest += groups->data[i].bytes;
    }
    if (groups->count > GROUPS_SHOWN_MAX)
        text_format(&r->text, "  and %lld smaller groups with %.*s\n",
                    (long long)(groups->count - GROUPS_SHOWN_MAX),
                    STR_ARG(bytes(r, rest)));
}

/* The end of a path says what it is: cut at the beginning. */
static void report_path(Report *r, Str path, int64_t width)
{
    if (path.length > width)
        text_format(&r->text, "..%s\n", path.data + path.length - width + 2);
    else
        text_format(&r->text, "%.*s\n", STR_ARG(path));
}

static void report_traffic_line(Report *r, const PlanStage *stage,
                                const Traffic *t)
{
    static const char *const PARTS[] = {"begin", "forward", "backward",
                                        "update"};
    text_pad(&r->text, COLUMN_NAME);
    text_format(&r->text, "%-14s %-4.*s %-8s", reshard_kind_name(t->kind),
                STR_ARG(stage->mesh.axis[t->axis].name), PARTS[t->part]);
    text_format(&r->text, "%5lld", (long long)t->runs);
    text_format(&r->text, "%8.*s", STR_ARG(bytes(r, t->bytes)));
    text_format(&r->text, "%9.*s  ",
                STR_ARG(seconds(r, 1e-9 * (double)t->nanoseconds)));
    report_path(r, t->largest, 26);
}

static void report_traffic(Report *r, int64_t s)
{
    const StageAccount *account = &r->accounts[s];
    const PlanStage *stage = &r->plan->stages.data[s];
    if (account->traffic.count || account->received_runs)
        text_append(&r->text, STR("\n  collectives    axis when      runs    "
                                  "sent     time  a step; most by\n"));
    for (int64_t i = 0; i < account->traffic.count; i++)
        report_traffic_line(r, stage, &account->traffic.data[i]);
    if (account->received_runs) {
        text_format(&r->text, "  %-14s %-4s %-8s%5lld", "receive", "", "",
                    (long long)account->received_runs);
        text_format(&r->text, "%8.*s",
                    STR_ARG(bytes(r, account->received_bytes)));
        text_format(
            &r->text, "%9.*s\n",
            STR_ARG(seconds(r, 1e-9 * (double)account->received_nanoseconds)));
    }
}

static void report_memory_line(Report *r, const char *name, int64_t value,
                               int64_t peak)
{
    int64_t width = peak > 0 ? (BAR_WIDTH * value + peak / 2) / peak : 0;
    text_format(&r->text, "  %-12s%10.*s%s", name, STR_ARG(bytes(r, value)),
                width > 0 ? "  " : "");
    for (int64_t i = 0; i < width; i++)
        text_append(&r->text, STR("#"));
    text_append(&r->text, STR("\n"));
}

static void report_memory(Report *r, StageRun run)
{
    const PlanStage *stage = &r->plan->stages.data[run.first];
    const PlanMemory *m = &stage->memory;
    const DeviceType *device = submesh_device_type(r->mesh, &stage->submesh);
    int64_t limit = device->memory_bytes - device->reserve_bytes;
    text_append(&r->text, STR("\n  memory of a device at its peak"));
    if (run.n > 1)
        text_format(&r->text, ", in stage %lld, which holds most",
                    (long long)run.first);
    text_append(&r->text, STR("\n"));
    report_memory_line(r, "parameters", m->parameters, m->peak);
    report_memory_line(r, "optimizer", m->optimizer, m->peak);
    report_memory_line(r, "gradients", m->gradients, m->peak);
    report_memory_line(r, "saved", m->saved, m->peak);
    report_memory_line(r, "transient", m->transient, m->peak);
    text_format(&r->text, "  %-12s%10.*s", "peak", STR_ARG(bytes(r, m->peak)));
    text_format(&r->text, "  of %.*s (%d %%)\n", STR_ARG(bytes(r, limit)),
                percent((double)m->peak, (double)limit));
}

/* -- what is left over ---------------------------------------------------- */

static void report_idle(Report *r)
{
    const Plan *plan = r->plan;
    text_append(&r->text, STR("\n"));
    if (plan->idle_ranks.count) {
        text_append(&r->text, STR("idle devices:"));
        for (int64_t i = 0; i < plan->idle_ranks.count && i < IDLE_SHOWN_MAX;
             i++)
            text_format(&r->text, " %lld", (long long)plan->idle_ranks.data[i]);
        text_append(&r->text, plan->idle_ranks.count > IDLE_SHOWN_MAX
                                  ? STR(" ...\n")
                                  : STR("\n"));
    }
}

Str report_plan(Arena *arena, Arena scratch, const Graph *train,
                const Mesh *mesh, const Plan *plan)
{
    Arena inner = arena_split(&scratch);
    Report r = {
        .text = text_new(arena),
        .scratch = &scratch,
        .train = train,
        .mesh = mesh,
        .plan = plan,
        .accounts = plan_account(&scratch, inner, train, mesh, plan),
    };
    VariableGroups *groups =
        arena_new(&scratch, VariableGroups, plan->stages.count);
    for (int64_t s = 0; s < plan->stages.count; s++)
        groups[s] = variable_groups(train, &r.accounts[s], &scratch);
    r.groups = groups;
    report_head(&r);
    report_model(&r);
    report_bound(&r);
    report_time(&r);
    for (StageRun run = {0}; run.first < plan->stages.count;
         run.first += run.n) {
        run = run_from(&r, run.first);
        report_stage_head(&r, run);
        report_variables(&r, run.first);
        report_traffic(&r, run.first);
        report_memory(&r, run);
    }
    report_idle(&r);
    return text_str(&r.text);
}

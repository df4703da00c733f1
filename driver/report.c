/* Report: the text of `dnnc plan`. */
#include "driver/report.h"

#include "driver/report_group.h"
#include "passes/account.h"

#include <math.h>

enum {
    COLUMN_NAME = 2,
    COLUMN_COUNT = 34,
    COLUMN_TYPE = 40,
    COLUMN_SHARDING = 62,
    COLUMN_BYTES = 84,
    GROUPS_SHOWN_MAX = 14,
    NAME_SHOWN_MAX = 30,
    BAR_WIDTH = 30,
};

typedef struct Report {
    Text text;
    Arena *scratch;
    const Graph *train;
    const Mesh *mesh;
    const Plan *plan;
    const StageAccount *accounts;
} Report;

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

/* A cell that ends before `column`, the text cut to fit. */
static void cell(Report *r, Str text, int64_t width, int64_t column)
{
    if (text.length > width)
        text_format(&r->text, "%.*s..", (int)(width - 2), text.data);
    else
        text_append(&r->text, text);
    text_pad(&r->text, column);
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

static void report_bound(Report *r)
{
    double planned = r->plan->planned_seconds;
    double bound = r->plan->lower_bound_seconds;
    text_format(&r->text, "  planned step      %-10.*s",
                STR_ARG(seconds(r, planned)));
    if (bound <= 0)
        text_append(&r->text, STR("not searched: the plan was given\n"));
    else if (planned <= bound * (1 + 1e-9))
        text_append(&r->text, STR("optimal: no plan of the search space is "
                                  "faster (docs/planner.md)\n"));
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
                    "\n                    transfers %.*s (%d %%)   filling "
                    "the pipeline %.*s (%d %%)   slowest: stage %lld",
                    STR_ARG(seconds(r, received)), percent(received, planned),
                    STR_ARG(seconds(r, fill)), percent(fill, planned),
                    (long long)slowest);
    text_append(&r->text, STR("\n"));
}

/* -- a stage --------------------------------------------------------------- */

static void report_devices(Report *r, const PlanStage *stage)
{
    const Submesh *submesh = &stage->submesh;
    const HostGroup *group = &r->mesh->groups.data[submesh->group];
    int64_t first = submesh_rank(r->mesh, submesh, 0);
    int64_t last = submesh_rank(r->mesh, submesh, submesh_devices(submesh) - 1);
    if (first == last)
        text_format(&r->text, "  device     %lld", (long long)first);
    else
        text_format(&r->text, "  devices    %lld-%lld", (long long)first,
                    (long long)last);
    text_format(&r->text, " (%.*s, %lld host%s of '%.*s')",
                STR_ARG(submesh_device_type(r->mesh, submesh)->name),
                (long long)submesh->n_hosts, plural(submesh->n_hosts),
                STR_ARG(group->name));
    text_append(&r->text, STR("   mesh"));
    for (int32_t axis = 1; axis < stage->mesh.n_axes; axis++)
        text_format(&r->text, " %.*s=%lld",
                    STR_ARG(stage->mesh.axis[axis].name),
                    (long long)stage->mesh.axis[axis].size);
    if (stage->mesh.n_axes == 1)
        text_append(&r->text, STR(" of one device"));
    text_append(&r->text, STR("\n"));
}

static void report_stage_head(Report *r, int64_t s)
{
    const PlanStage *stage = &r->plan->stages.data[s];
    const PlanLayer *layers = r->plan->layers.data;
    text_format(&r->text, "\nstage %lld\n  layers     %d-%d: %.*s",
                (long long)s, stage->first_layer, stage->end_layer - 1,
                STR_ARG(layers[stage->first_layer].name));
    if (stage->end_layer > stage->first_layer + 1)
        text_format(&r->text, " .. %.*s",
                    STR_ARG(layers[stage->end_layer - 1].name));
    text_append(&r->text, STR("\n"));
    report_devices(r, stage);
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
    cell(r, group->name, NAME_SHOWN_MAX, COLUMN_COUNT);
    text_format(&r->text, "%4lld", (long long)group->count);
    text_pad(&r->text, COLUMN_TYPE + 1);
    cell(r, type_print(r->scratch, &group->type), 20, COLUMN_SHARDING);
    cell(r, sharding_print(r->scratch, &stage->mesh, rank, &group->sharding),
         20, COLUMN_BYTES);
    text_format(&r->text, "%12.*s\n", STR_ARG(bytes(r, group->bytes)));
}

static void report_variables(Report *r, int64_t s)
{
    const PlanStage *stage = &r->plan->stages.data[s];
    VariableGroups groups =
        variable_groups(r->train, &r->accounts[s], r->scratch);
    int64_t rest = 0;
    text_append(&r->text, STR("\n  variables"));
    text_pad(&r->text, COLUMN_COUNT);
    text_append(&r->text, STR("  no. type"));
    text_pad(&r->text, COLUMN_SHARDING);
    text_append(&r->text, STR("sharding"));
    text_pad(&r->text, COLUMN_BYTES);
    text_append(&r->text, STR("  per device\n"));
    for (int64_t i = 0; i < groups.count; i++) {
        if (i < GROUPS_SHOWN_MAX)
            report_group(r, stage, &groups.data[i]);
        else
            rest += groups.data[i].bytes;
    }
    if (groups.count > GROUPS_SHOWN_MAX)
        text_format(&r->text, "  and %lld smaller groups with %.*s\n",
                    (long long)(groups.count - GROUPS_SHOWN_MAX),
                    STR_ARG(bytes(r, rest)));
}

static void report_traffic_line(Report *r, const PlanStage *stage,
                                const Traffic *t)
{
    static const char *const PARTS[] = {"begin", "forward", "backward",
                                        "update"};
    text_pad(&r->text, COLUMN_NAME);
    text_format(&r->text, "%-15s %-5.*s %-9s", reshard_kind_name(t->kind),
                STR_ARG(stage->mesh.axis[t->axis].name), PARTS[t->part]);
    text_format(&r->text, "%6lld", (long long)t->runs);
    text_format(&r->text, "%12.*s", STR_ARG(bytes(r, t->bytes)));
    text_format(&r->text, "%11.*s   ",
                STR_ARG(seconds(r, 1e-9 * (double)t->nanoseconds)));
    cell(r, t->largest, 33, 0);
    text_append(&r->text, STR("\n"));
}

static void report_traffic(Report *r, int64_t s)
{
    const StageAccount *account = &r->accounts[s];
    const PlanStage *stage = &r->plan->stages.data[s];
    if (account->traffic.count || account->received_runs)
        text_append(&r->text, STR("\n  collectives     axis  when       runs   "
                                  "sent a step       time   most by\n"));
    for (int64_t i = 0; i < account->traffic.count; i++)
        report_traffic_line(r, stage, &account->traffic.data[i]);
    if (account->received_runs) {
        text_format(&r->text, "  %-15s %-5s %-9s%6lld", "receive", "", "",
                    (long long)account->received_runs);
        text_format(&r->text, "%12.*s",
                    STR_ARG(bytes(r, account->received_bytes)));
        text_format(
            &r->text, "%11.*s\n",
            STR_ARG(seconds(r, 1e-9 * (double)account->received_nanoseconds)));
    }
}

static void report_memory_line(Report *r, const char *name, int64_t value,
                               int64_t peak)
{
    int64_t width = peak > 0 ? (BAR_WIDTH * value + peak / 2) / peak : 0;
    text_format(&r->text, "  %-12s%10.*s  ", name, STR_ARG(bytes(r, value)));
    for (int64_t i = 0; i < width; i++)
        text_append(&r->text, STR("#"));
    text_append(&r->text, STR("\n"));
}

static void report_memory(Report *r, const PlanStage *stage)
{
    const PlanMemory *m = &stage->memory;
    const DeviceType *device = submesh_device_type(r->mesh, &stage->submesh);
    int64_t limit = device->memory_bytes - device->reserve_bytes;
    text_append(&r->text, STR("\n  memory of a device at its peak\n"));
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
        for (int64_t i = 0; i < plan->idle_ranks.count && i < 16; i++)
            text_format(&r->text, " %lld", (long long)plan->idle_ranks.data[i]);
        text_append(&r->text,
                    plan->idle_ranks.count > 16 ? STR(" ...\n") : STR("\n"));
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
    report_head(&r);
    report_bound(&r);
    report_time(&r);
    for (int64_t s = 0; s < plan->stages.count; s++) {
        report_stage_head(&r, s);
        report_variables(&r, s);
        report_traffic(&r, s);
        report_memory(&r, &plan->stages.data[s]);
    }
    report_idle(&r);
    return text_str(&r.text);
}

/* Cluster: from a `.mesh` file to the Mesh.
 *
 *     cluster local4
 *     device cpu {
 *         memory = 2 GB
 *         flops_f32 = 80 GFLOP/s
 *         ...
 *     }
 *     hosts here {
 *         device = cpu
 *         devices = 4
 *         inner {
 *             ...
 *         }
 *     }
 *
 * Each section is a table of entries: a name, the measure it is written in,
 * where the value goes, and whether it may be left out.
 */
#include "frontend/frontend.h"
#include "frontend/parse.h"
#include "support/checked.h"

#include <math.h>
#include <string.h>

enum { CLUSTER_DEVICES_MAX = 65536, CLUSTER_ENTRIES_MAX = 8 };

typedef enum Measure {
    MEASURE_COUNT,
    MEASURE_BYTES,
    MEASURE_BYTES_PER_SECOND,
    MEASURE_SECONDS,
    MEASURE_FLOPS,
    MEASURE_WORD,
} Measure;

static const struct {
    Measure measure;
    const char *unit;
    double factor;
} units[] = {
    {MEASURE_BYTES, "B", 1},
    {MEASURE_BYTES, "KB", 1e3},
    {MEASURE_BYTES, "MB", 1e6},
    {MEASURE_BYTES, "GB", 1e9},
    {MEASURE_BYTES, "TB", 1e12},
    {MEASURE_BYTES, "KiB", 0x1p10},
    {MEASURE_BYTES, "MiB", 0x1p20},
    {MEASURE_BYTES, "GiB", 0x1p30},
    {MEASURE_BYTES_PER_SECOND, "B/s", 1},
    {MEASURE_BYTES_PER_SECOND, "KB/s", 1e3},
    {MEASURE_BYTES_PER_SECOND, "MB/s", 1e6},
    {MEASURE_BYTES_PER_SECOND, "GB/s", 1e9},
    {MEASURE_BYTES_PER_SECOND, "TB/s", 1e12},
    {MEASURE_BYTES_PER_SECOND, "Mbit/s", 1.25e5},
    {MEASURE_BYTES_PER_SECOND, "Gbit/s", 1.25e8},
    {MEASURE_SECONDS, "s", 1},
    {MEASURE_SECONDS, "ms", 1e-3},
    {MEASURE_SECONDS, "us", 1e-6},
    {MEASURE_SECONDS, "ns", 1e-9},
    {MEASURE_FLOPS, "MFLOP/s", 1e6},
    {MEASURE_FLOPS, "GFLOP/s", 1e9},
    {MEASURE_FLOPS, "TFLOP/s", 1e12},
    {MEASURE_FLOPS, "PFLOP/s", 1e15},
};

static const char *const measure_names[] = {
    "a count, without a unit",
    "bytes (B, KB, MB, GB, TB, KiB, MiB, GiB)",
    "bytes per second (B/s, KB/s, MB/s, GB/s, TB/s, Mbit/s, Gbit/s)",
    "time (s, ms, us, ns)",
    "work per second (MFLOP/s, GFLOP/s, TFLOP/s, PFLOP/s)",
    "a name",
};

/* One entry of a section; exactly one of the targets is set. */
typedef struct Entry {
    const char *name;
    int64_t *whole;
    double *real;
    Name *word;
    const Stmt *given;
    Measure measure;
    bool optional;
} Entry;

typedef struct Reader {
    Arena *arena;
    Diagnostics *diagnostics;
    Mesh *mesh;
} Reader;

/* -- quantities --------------------------------------------------------------------- */

static void quantity_fails(Reader *r, const Stmt *stmt, const char *wanted)
{
    diagnose(r->diagnostics, stmt->as.quantity.span, quantity_invalid,
             STR_ARG(stmt->name.text), wanted);
}

static bool unit_factor(Reader *r, const Stmt *stmt, Measure measure,
                        double *factor)
{
    Str unit = stmt->as.quantity.unit.text;
    *factor = 1;
    if (measure == MEASURE_COUNT && unit.length == 0)
        return true;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (units[i].measure == measure && str_equal_c(unit, units[i].unit)) {
            *factor = units[i].factor;
            return true;
        }
    diagnose(r->diagnostics, stmt->as.quantity.span, quantity_unit,
             STR_ARG(stmt->name.text), measure_names[measure]);
    return false;
}

static void read_number(Reader *r, const Entry *entry, const Stmt *stmt)
{
    const Quantity *q = &stmt->as.quantity;
    double factor;
    if (q->word.text.length) {
        quantity_fails(r, stmt, "a number");
        return;
    }
    if (!unit_factor(r, stmt, entry->measure, &factor))
        return;
    double value = q->value * factor;
    bool may_be_zero = entry->measure == MEASURE_SECONDS || entry->optional;
    if (!(value > 0) && !(may_be_zero && value == 0)) {
        quantity_fails(r, stmt, "greater than 0");
        return;
    }
    if (entry->real) {
        *entry->real = value;
        return;
    }
    if (value > 0x1p62 ||
        (entry->measure == MEASURE_COUNT && value != floor(value))) {
        quantity_fails(r, stmt, "a whole number below 2^62");
        return;
    }
    *entry->whole = (int64_t)value;
}

static void read_entry(Reader *r, Entry *entry, const Stmt *stmt)
{
    if (entry->given) {
        Diagnostic *d = diagnose(r->diagnostics, stmt->span, entry_twice,
                                 STR_ARG(stmt->name.text));
        diagnostic_note(r->diagnostics, d, entry->given->span,
                        "the first one is here");
        return;
    }
    entry->given = stmt;
    if (entry->measure != MEASURE_WORD) {
        read_number(r, entry, stmt);
        return;
    }
    *entry->word = stmt->as.quantity.word;
    if (entry->word->text.length == 0)
        quantity_fails(r, stmt, "a name");
}

/* -- sections ---------------------------------------------------------------------------- */

static void unknown(Reader *r, Name name, const char *section,
                    const Entry *entries, int n, const char *sections)
{
    Text known = text_new(r->arena);
    text_format(&known, "%s", sections);
    for (int i = 0; i < n; i++)
        text_format(&known, "%s%s", known.length ? ", " : "", entries[i].name);
    Diagnostic *d = diagnose(r->diagnostics, name.span, entry_unknown,
                             STR_ARG(name.text), section);
    Str list = text_str(&known);
    diagnostic_remedy(r->diagnostics, d, "what may stand here: %.*s",
                      STR_ARG(list));
}

static void missing_entry(Reader *r, const Stmt *section, const char *what,
                          const char *entry)
{
    diagnose(r->diagnostics, section->span, entry_missing, what, entry);
}

/* Reads the quantities of `section`; other statements are left to `inner`,
 * which may be NULL and returns whether it knew the statement. */
static void read_section(Reader *r, const Stmt *section, const char *what,
                         Entry *entries, int n,
                         bool (*inner)(Reader *, const Stmt *, void *),
                         void *context, const char *sections)
{
    int64_t errors = r->diagnostics->list.count;
    for (int64_t i = 0; i < section->as.block.body.count; i++) {
        const Stmt *stmt = section->as.block.body.data[i];
        Entry *entry = NULL;
        if (stmt->kind == STMT_QUANTITY)
            for (int k = 0; k < n; k++)
                if (str_equal_c(stmt->name.text, entries[k].name))
                    entry = &entries[k];
        if (entry)
            read_entry(r, entry, stmt);
        else if (stmt->kind == STMT_QUANTITY)
            unknown(r, stmt->name, what, entries, n, sections);
        else if (!inner || !inner(r, stmt, context))
            unknown(r, stmt->as.block.word, what, entries, n, sections);
    }
    /* what is misspelt is not also missing */
    bool clean = r->diagnostics->list.count == errors;
    for (int k = 0; clean && k < n; k++)
        if (!entries[k].given && !entries[k].optional)
            missing_entry(r, section, what, entries[k].name);
}

static void read_link(Reader *r, const Stmt *section, Link *link)
{
    Entry entries[] = {
        {.name = "bandwidth",
         .measure = MEASURE_BYTES_PER_SECOND,
         .real = &link->bandwidth_bytes_per_second},
        {.name = "latency",
         .measure = MEASURE_SECONDS,
         .real = &link->latency_seconds},
    };
    read_section(r, section, "a link", entries, 2, NULL, NULL, "");
}

static void read_device(Reader *r, const Stmt *section)
{
    DeviceType device = {.name = section->name.text, .span = section->span};
    Name target = {.text = STR("native")};
    double i32 = 0;
    Entry entries[] = {
        {.name = "target",
         .measure = MEASURE_WORD,
         .word = &target,
         .optional = true},
        {.name = "memory",
         .measure = MEASURE_BYTES,
         .whole = &device.memory_bytes},
        {.name = "reserve",
         .measure = MEASURE_BYTES,
         .whole = &device.reserve_bytes,
         .optional = true},
        {.name = "flops_f32",
         .measure = MEASURE_FLOPS,
         .real = &device.flops[DTYPE_F32]},
        {.name = "flops_i32",
         .measure = MEASURE_FLOPS,
         .real = &i32,
         .optional = true},
        {.name = "memory_bandwidth",
         .measure = MEASURE_BYTES_PER_SECOND,
         .real = &device.memory_bandwidth_bytes_per_second},
        {.name = "kernel_latency",
         .measure = MEASURE_SECONDS,
         .real = &device.kernel_latency_seconds},
    };
    read_section(r, section, "a device", entries, 7, NULL, NULL, "");
    device.target = target.text;
    device.flops[DTYPE_I32] = i32 > 0 ? i32 : device.flops[DTYPE_F32];
    if (device.reserve_bytes >= device.memory_bytes && entries[1].given &&
        entries[2].given)
        quantity_fails(r, entries[2].given, "less than the memory");
    *vector_push(r->arena, &r->mesh->device_types) = device;
}

static int32_t find_device(Reader *r, Name name)
{
    for (int64_t i = 0; i < r->mesh->device_types.count; i++)
        if (str_equal(r->mesh->device_types.data[i].name, name.text))
            return (int32_t)i;
    if (name.text.length)
        diagnose(r->diagnostics, name.span, device_unknown, STR_ARG(name.text));
    return 0;
}

typedef struct GroupLinks {
    HostGroup *group;
    bool inner, outer;
} GroupLinks;

static bool read_group_link(Reader *r, const Stmt *stmt, void *context)
{
    GroupLinks *links = context;
    if (str_equal_c(stmt->as.block.word.text, "inner")) {
        read_link(r, stmt, &links->group->inner);
        links->inner = true;
        return true;
    }
    if (!str_equal_c(stmt->as.block.word.text, "outer"))
        return false;
    read_link(r, stmt, &links->group->outer);
    links->outer = true;
    return true;
}

static void read_hosts(Reader *r, const Stmt *section)
{
    HostGroup group = {
        .name = section->name.text, .n_hosts = 1, .span = section->span};
    Name device = {0};
    GroupLinks links = {&group, false, false};
    Entry entries[] = {
        {.name = "count",
         .measure = MEASURE_COUNT,
         .whole = &group.n_hosts,
         .optional = true},
        {.name = "device", .measure = MEASURE_WORD, .word = &device},
        {.name = "devices",
         .measure = MEASURE_COUNT,
         .whole = &group.devices_per_host},
    };
    read_section(r, section, "a group of hosts", entries, 3, read_group_link,
                 &links, "inner, outer");
    group.device_type = find_device(r, device);
    if (entries[0].given && group.n_hosts < 1)
        quantity_fails(r, entries[0].given, "at least 1");
    if (group.devices_per_host > 1 && !links.inner)
        missing_entry(r, section, "a host with several devices", "inner");
    if (group.n_hosts > 1 && !links.outer)
        missing_entry(r, section, "a group of several hosts", "outer");
    *vector_push(r->arena, &r->mesh->groups) = group;
}

/* -- the file ------------------------------------------------------------------------------- */

static bool read_top(Reader *r, const Stmt *stmt, void *context)
{
    bool *has_between = context;
    Str word = stmt->as.block.word.text;
    if (str_equal_c(word, "cluster")) {
        r->mesh->name = stmt->name.text;
        return true;
    }
    if (str_equal_c(word, "device"))
        read_device(r, stmt);
    else if (str_equal_c(word, "hosts"))
        read_hosts(r, stmt);
    else if (str_equal_c(word, "between"))
        read_link(r, stmt, &r->mesh->between);
    else
        return false;
    *has_between = *has_between || str_equal_c(word, "between");
    return true;
}

static void check_cluster(Reader *r, Span span, bool has_between)
{
    Mesh *mesh = r->mesh;
    if (mesh->groups.count == 0)
        diagnose(r->diagnostics, span, cluster_empty);
    if (mesh->groups.count > 1 && !has_between)
        diagnose(r->diagnostics, mesh->groups.data[1].span, entry_missing,
                 "a cluster of several groups", "between");
    int64_t total = 0;
    for (int64_t i = 0; i < mesh->groups.count; i++) {
        const HostGroup *group = &mesh->groups.data[i];
        int64_t devices;
        if (mul_i64(group->n_hosts, group->devices_per_host, &devices) &&
            add_i64(total, devices, &total) && total <= CLUSTER_DEVICES_MAX)
            continue;
        diagnose(r->diagnostics, group->span, cluster_too_large,
                 CLUSTER_DEVICES_MAX);
        return;
    }
}

bool frontend_mesh(Arena *arena, int32_t source, Diagnostics *diagnostics,
                   Mesh *out)
{
    int64_t errors = diagnostics->list.count;
    *out = (Mesh){.name = STR("cluster")};
    StmtList statements;
    if (!parse_cluster(arena, source, diagnostics, &statements))
        return false;
    Reader reader = {arena, diagnostics, out};
    Stmt file = {.kind = STMT_SECTION, .span = {source, 0, 0}};
    file.as.block.body = statements;
    bool has_between = false;
    read_section(&reader, &file, "a cluster file", NULL, 0, read_top,
                 &has_between, "cluster, device, hosts, between");
    if (diagnostics->list.count == errors)
        check_cluster(&reader, file.span, has_between);
    return diagnostics->list.count == errors;
}

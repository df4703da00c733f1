/* Every collective over every group of a 2 x 2 mesh, at lengths below, at and
 * beyond the staging area, against sums made from what all ranks are known to
 * hold.  Started by mpiexec on 4 ranks; rank r's values are a function of r, so
 * each rank can tell what it must get, bit by bit.
 */
#include "runtime/collective.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 2, RANKS = SIDE * SIDE, COUNT_MAX = 300001 };

static int64_t ranks[RANKS] = {0, 1, 2, 3};
static int64_t n_checks, n_failures;

/* The value that `device` holds at `i`: small whole numbers and halves. */
static float value_of(int64_t device, int64_t i)
{
    return (float)((i * 7 + device * 13) % 101) * 0.5f - 20.0f;
}

/* Devices of the group of `device` over `axes`, in order. */
static int64_t members_of(const LogicalMesh *mesh, uint8_t axes, int64_t device,
                          int64_t *out)
{
    int64_t mine[MESH_AXES_MAX] = {0}, count = 0;
    mesh_coordinates(mesh, device, mine);
    for (int64_t d = 0; d < RANKS; d++) {
        int64_t theirs[MESH_AXES_MAX] = {0};
        bool is_member = true;
        mesh_coordinates(mesh, d, theirs);
        for (int axis = 1; axis <= 2; axis++)
            is_member &= (axes >> axis & 1) || mine[axis] == theirs[axis];
        if (is_member)
            out[count++] = d;
    }
    return count;
}

static float fold(ReduceOp operator, float a, float b)
{
    switch (operator) {
    case REDUCE_SUM: return a + b;
    case REDUCE_MAX: return a > b ? a : b;
    case REDUCE_MIN: return a < b ? a : b;
    }
    return 0;
}

static float folded(const Instruction *in, const int64_t *members, int64_t n,
                    int64_t i)
{
    float result = value_of(members[0], i);
    for (int64_t m = 1; m < n; m++)
        result =
            fold(in->collective_attr.operator, result, value_of(members[m], i));
    return result;
}

/* What element i of the result on `device` must be; `count` is the length of
 * the operand. */
static float expected(const LogicalMesh *mesh, const Instruction *in,
                      int64_t device, int64_t count, int64_t i)
{
    int64_t members[RANKS], place = 0;
    uint8_t axes = in->collective_attr.axes;
    int64_t n = members_of(mesh, axes, device, members);
    while (members[place] != device)
        place++;
    switch (in->collective) {
    case OP_ALL_REDUCE: return folded(in, members, n, i);
    case OP_REDUCE_SCATTER:
        return folded(in, members, n, place * (count / n) + i);
    case OP_ALL_GATHER: return value_of(members[i / count], i % count);
    case OP_ALL_TO_ALL: {
        int64_t part = count / n;
        return value_of(members[i / part], place * part + i % part);
    }
    default: break;
    }
    int64_t at[MESH_AXES_MAX] = {0};
    mesh_coordinates(mesh, device, at);
    int64_t swapped[MESH_AXES_MAX] = {0, at[2], at[1]};
    return value_of(mesh_device(mesh, swapped), i);
}

/* `count` is made a multiple of the group where rows must be equal. */
static void check(Collectives *c, const Instruction *in, int64_t device,
                  int64_t count, float *from, float *to)
{
    const LogicalMesh *mesh = &c->stage->mesh;
    int64_t n = mesh_axes_size(mesh, in->collective_attr.axes);
    int64_t result = count;
    if (in->collective == OP_REDUCE_SCATTER || in->collective == OP_ALL_TO_ALL)
        result = count = (count + n - 1) / n * n;
    if (in->collective == OP_REDUCE_SCATTER)
        result = count / n;
    if (in->collective == OP_ALL_GATHER)
        result = count * n;
    for (int64_t i = 0; i < count; i++)
        from[i] = value_of(device, i);
    Type type = {DTYPE_F32, {.rank = 1, .extent = {count}}};
    bool in_place = in->collective == OP_ALL_REDUCE && count % 2;
    Status status = collective_run(c, in, &type, (const char *)from,
                                   (char *)(in_place ? from : to));
    const float *got = in_place ? from : to;
    int64_t wrong = status_failed(&status) ? -1 : 0;
    for (int64_t i = 0; i < result && wrong >= 0; i++)
        wrong += got[i] != expected(mesh, in, device, count, i);
    n_checks++;
    if (wrong == 0)
        return;
    n_failures++;
    fprintf(stderr, "device %lld: %s over axes %d, %lld elements: %s\n",
            (long long)device, op_info(in->collective)->text,
            in->collective_attr.axes, (long long)count,
            wrong < 0 ? status.message : "wrong values");
}

static const Op ops[] = {OP_ALL_REDUCE, OP_REDUCE_SCATTER, OP_ALL_GATHER,
                         OP_ALL_TO_ALL, OP_PERMUTE};

/* A stage whose program names every group, so that all are made. */
static ProgramStage stage_of(Instruction *named)
{
    ProgramStage stage = {
        .mesh = {.n_axes = 3,
                 .axis = {{.size = 1}, {.size = SIDE}, {.size = SIDE}}},
        .ranks = ranks};
    for (uint8_t group = 1; group <= 3; group++)
        named[group - 1] =
            (Instruction){.kind = INSTRUCTION_COLLECTIVE,
                          .collective = OP_ALL_REDUCE,
                          .collective_attr = {.axes = (uint8_t)(group << 1)}};
    stage.segments[SEGMENT_FORWARD].instructions.data = named;
    stage.segments[SEGMENT_FORWARD].instructions.count = 3;
    return stage;
}

static void check_all(Collectives *c, int64_t device, float *from, float *to)
{
    const int64_t counts[] = {1, 2, 3, 64, 1001, 262144, COUNT_MAX};
    for (size_t op = 0; op < sizeof(ops) / sizeof(ops[0]); op++)
        for (uint8_t group = 1; group <= 3; group++)
            for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
                for (int operator= 0; operator<= REDUCE_MIN; operator++) {
                    bool reduces = ops[op] == OP_ALL_REDUCE ||
                                   ops[op] == OP_REDUCE_SCATTER;
                    Instruction in = {
                        .kind = INSTRUCTION_COLLECTIVE,
                        .collective = ops[op],
                        .collective_attr = {.axes = (uint8_t)(group << 1),
                                            .operator=(ReduceOp) operator} };
                    if ((operator&& !reduces) ||
                        (ops[op] == OP_PERMUTE && group != 3))
                        continue;
                    check(c, &in, device, counts[i], from, to);
                }
}

int main(void)
{
    Communicator communicator;
    Status status = communicator_open(&communicator);
    if (status_failed(&status) || communicator.size != RANKS) {
        fprintf(stderr, "not on 4 ranks: %s\n", status.message);
        return 1;
    }
    Instruction named[3];
    ProgramStage stage = stage_of(named);
    Collectives collectives;
    int64_t device = communicator.rank;
    float *from = malloc((COUNT_MAX + RANKS) * sizeof(float));
    float *to = malloc((COUNT_MAX + RANKS) * RANKS * sizeof(float));
    status = collectives_init(&collectives, &communicator, &stage, device);
    if (!from || !to || status_failed(&status)) {
        fprintf(stderr, "%s\n", status.message);
        return 1;
    }
    check_all(&collectives, device, from, to);
    collectives_deinit(&collectives);
    free(from);
    free(to);
    if (device == 0)
        printf("%s: %lld collectives checked\n", communicator.name,
               (long long)n_checks);
    communicator_close(&communicator);
    return n_failures != 0;
}

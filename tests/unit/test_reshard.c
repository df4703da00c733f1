/* Unit tests of passes/reshard.c: the textbook paths, and every path replayed
 * on the blocks of a virtual mesh. */
#include "passes/reshard.h"
#include "support/text.h"
#include "tests/arena.h"

#include <string.h>

/* Latency 1 us and 1 GB/s over x, a tenth of that speed over y. */
static LogicalMesh mesh_of(int64_t microbatches, int64_t x, int64_t y)
{
    LogicalMesh mesh = {.n_axes = 3};
    const char *names[] = {"microbatch", "x", "y"};
    int64_t sizes[] = {microbatches, x, y};
    for (int i = 0; i < 3; i++)
        mesh.axis[i] = (LogicalAxis){str_from(names[i]), sizes[i], 1e-6,
                                     i == 1 ? 1e9 : 1e8};
    return mesh;
}

/* "kind axis[ dim[ dim2]]; ..." of the path between two shardings as text. */
static const char *path(const LogicalMesh *mesh, const Type *type,
                        const char *from_text, const char *to_text)
{
    Sharding from, to;
    int32_t rank = type->shape.rank;
    assert_true(sharding_parse(str_from(from_text), mesh, rank, &from));
    assert_true(sharding_parse(str_from(to_text), mesh, rank, &to));
    ReshardStep *steps;
    int64_t n = reshard_path(mesh, type, &from, &to, &arena, &steps);
    if (n < 0)
        return "impossible";
    Text text = text_new(&arena);
    for (int64_t i = 0; i < n; i++)
        text_format(
            &text, "%s%s %.*s -> %.*s", i ? "; " : "",
            reshard_kind_name(steps[i].kind),
            STR_ARG(mesh->axis[steps[i].axis].name),
            STR_ARG(sharding_print(&arena, mesh, rank, &steps[i].after)));
    return text_str(&text).data;
}

static const Type MATRIX = {DTYPE_F32, {2, {64, 32}}};
static const Type SMALL = {DTYPE_F32, {2, {16, 16}}}; /* hops dominate */

static void textbook_paths(void **state)
{
    (void)state;
    LogicalMesh mesh = mesh_of(4, 4, 4);
    mesh.axis[2].bandwidth_bytes_per_second = 1e9;
    static const struct {
        const char *from, *to, *path;
    } cases[] = {
        {"[x, -]", "[x, -]", ""},
        {"[-, -]", "[x, y]", "slice x -> [x, -]; slice y -> [x, y]"},
        {"[x, -]", "[-, -]", "all_gather x -> [-, -]"},
        {"[x, -]", "[-, x]", "all_to_all x -> [-, x]"},
        {"[x, -]", "[y, -]", "permute x -> [y, -]"},
        {"[x, y]", "[y, x]", "permute x -> [y, x]"},
        {"[-, -] partial(x, sum)", "[-, -]", "all_reduce x -> [-, -]"},
        {"[-, -] partial(x, sum)", "[x, -]", "reduce_scatter x -> [x, -]"},
        {"[-, -]", "[-, -] partial(x, sum)",
         "to_partial x -> [-, -] partial(x, sum)"},
        {"[-, -]", "[-, -] partial(x, max)", "impossible"},
        {"[x, -] partial(microbatch, sum)", "[-, -]",
         "accumulate microbatch -> [x, -]; all_gather x -> [-, -]"},
        {"[-, -]", "[microbatch*x, -]",
         "slice microbatch -> [microbatch, -]; "
         "slice x -> [microbatch*x, -]"},
        {"[microbatch, x]", "[microbatch, -]",
         "all_gather x -> [microbatch, -]"},
        {"[microbatch, -]", "[-, -]", "impossible"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(path(&mesh, &SMALL, cases[i].from, cases[i].to),
                            cases[i].path);
}

static void prices_are_alpha_beta(void **state)
{
    (void)state;
    LogicalMesh mesh = mesh_of(1, 4, 2);
    Resharder *resharder = resharder_new(&arena, &mesh);
    Sharding whole = {0}, split = {.axes = {2}};
    Sharding partial = {.partial = 4};
    /* 8192 bytes: three hops and 3/4 of them */
    assert_int_equal(reshard_nanoseconds(resharder, &MATRIX, &split, &whole),
                     3000 + 6144);
    /* a quarter over the slow axis (two hops, all of it), gathered again */
    assert_int_equal(reshard_nanoseconds(resharder, &MATRIX, &partial, &whole),
                     2000 + 20480 + 3000 + 6144);
    assert_int_equal(reshard_nanoseconds(resharder, &MATRIX, &whole, &split),
                     0);
    Sharding sample = {.axes = {1}};
    assert_true(reshard_nanoseconds(resharder, &MATRIX, &sample, &whole) ==
                RESHARD_IMPOSSIBLE);
}

/* -- replay ---------------------------------------------------------------- */

enum { ROWS = 12, COLUMNS = 8, DEVICES = 8 };

/* What every device of the virtual mesh knows of the value: presence[i][j] is
 * how many times it holds element (i, j) as a term of the partial sum. */
typedef struct Replay {
    int32_t term[DEVICES][ROWS][COLUMNS];
} Replay;

static bool holds(const LogicalMesh *mesh, const Sharding *s, int64_t device,
                  int64_t row, int64_t column)
{
    int64_t at[MESH_AXES_MAX] = {0}, start[2], length[2];
    mesh_coordinates(mesh, device, at);
    sharding_local_range(mesh, ROWS, s->axes[0], at, &start[0], &length[0]);
    sharding_local_range(mesh, COLUMNS, s->axes[1], at, &start[1], &length[1]);
    return row >= start[0] && row < start[0] + length[0] &&
           column >= start[1] && column < start[1] + length[1];
}

static bool first_of(const LogicalMesh *mesh, uint8_t mask, int64_t device)
{
    int64_t at[MESH_AXES_MAX] = {0};
    mesh_coordinates(mesh, device, at);
    return mesh_group_index(mesh, mask, at) == 0;
}

/* The coordinates with those of one axis (or two, exchanged) replaced. */
static int64_t neighbour(const LogicalMesh *mesh, int64_t device, int32_t axis,
                         int64_t coordinate)
{
    int64_t at[MESH_AXES_MAX] = {0};
    mesh_coordinates(mesh, device, at);
    at[axis] = coordinate;
    return mesh_device(mesh, at);
}

static int64_t exchanged(const LogicalMesh *mesh, int64_t device, int32_t a,
                         int32_t b)
{
    int64_t at[MESH_AXES_MAX] = {0};
    mesh_coordinates(mesh, device, at);
    int64_t swap = at[a];
    at[a] = at[b];
    at[b] = swap;
    return mesh_device(mesh, at);
}

/* What device `d` has of one element after the step, knowing only what the
 * step may move: its own value, its ring's, or its partner's. */
static int32_t step_term(const LogicalMesh *mesh, const ReshardStep *step,
                         const Replay *r, int64_t d, int64_t i, int64_t j)
{
    int32_t own = r->term[d][i][j], sum = 0, most = 0;
    if (step->kind == RESHARD_SLICE)
        return own;
    if (step->kind == RESHARD_TO_PARTIAL)
        return first_of(mesh, (uint8_t)(1 << step->axis), d) ? own : 0;
    if (step->kind == RESHARD_PERMUTE)
        return r->term[exchanged(mesh, d, step->axis, step->axis2)][i][j];
    for (int64_t c = 0; c < mesh->axis[step->axis].size; c++) {
        int32_t term = r->term[neighbour(mesh, d, step->axis, c)][i][j];
        sum += term;
        most = term > most ? term : most;
    }
    bool adds = step->kind == RESHARD_ALL_REDUCE ||
                step->kind == RESHARD_REDUCE_SCATTER;
    return adds ? sum : most;
}

static void replay_step(const LogicalMesh *mesh, const ReshardStep *step,
                        Replay *r)
{
    Replay next = {0};
    for (int64_t d = 0; d < DEVICES; d++)
        for (int64_t i = 0; i < ROWS; i++)
            for (int64_t j = 0; j < COLUMNS; j++)
                if (holds(mesh, &step->after, d, i, j))
                    next.term[d][i][j] = step_term(mesh, step, r, d, i, j);
    *r = next;
}

/* Each member of a partial group holds a term; together they hold one. */
static void assert_whole(const LogicalMesh *mesh, const Sharding *s,
                         const Replay *r)
{
    for (int64_t d = 0; d < DEVICES; d++)
        for (int64_t i = 0; i < ROWS; i++)
            for (int64_t j = 0; j < COLUMNS; j++) {
                if (!holds(mesh, s, d, i, j))
                    continue;
                int64_t at[MESH_AXES_MAX] = {0}, mine[MESH_AXES_MAX] = {0};
                mesh_coordinates(mesh, d, mine);
                int32_t total = 0;
                for (int64_t e = 0; e < DEVICES; e++) {
                    mesh_coordinates(mesh, e, at);
                    bool group = true;
                    for (int32_t a = 1; a < mesh->n_axes; a++)
                        group &= at[a] == mine[a] || s->partial >> a & 1;
                    total += group ? r->term[e][i][j] : 0;
                }
                assert_int_equal(total, 1);
            }
}

static void replay_start(const LogicalMesh *mesh, const Sharding *s, Replay *r)
{
    *r = (Replay){0};
    for (int64_t d = 0; d < DEVICES; d++)
        for (int64_t i = 0; i < ROWS; i++)
            for (int64_t j = 0; j < COLUMNS; j++)
                r->term[d][i][j] =
                    holds(mesh, s, d, i, j) && first_of(mesh, s->partial, d);
}

static bool draw_sharding(const LogicalMesh *mesh, int number, Sharding *s)
{
    *s = (Sharding){0};
    for (int32_t axis = 1; axis < mesh->n_axes; axis++) {
        int state = number % 4;
        number /= 4;
        if (state == 3)
            s->partial |= (uint8_t)(1 << axis);
        else if (state)
            s->axes[state - 1] |= (uint8_t)(1 << axis);
    }
    Shape shape = {2, {ROWS, COLUMNS}};
    return sharding_fits(mesh, &shape, s);
}

static void every_path_moves_the_value(void **state)
{
    (void)state;
    static const int64_t SIZES[][3] = {{2, 2, 2}, {2, 4, 1}};
    Type type = {DTYPE_F32, {2, {ROWS, COLUMNS}}};
    int64_t used[RESHARD_KIND_COUNT] = {0};
    for (int k = 0; k < 2; k++) {
        LogicalMesh mesh = mesh_of(1, SIZES[k][0], SIZES[k][1]);
        mesh.axis[3] = (LogicalAxis){STR("z"), SIZES[k][2], 2e-6, 5e8};
        mesh.n_axes = 4;
        for (int number = 0; number < 64 * 64; number++) {
            Sharding from, to;
            if (!draw_sharding(&mesh, number % 64, &from) ||
                !draw_sharding(&mesh, number / 64, &to))
                continue;
            Arena inner = arena;
            ReshardStep *steps;
            int64_t n = reshard_path(&mesh, &type, &from, &to, &inner, &steps);
            assert_true(n >= 0);
            Replay replay;
            replay_start(&mesh, &from, &replay);
            for (int64_t i = 0; i < n; i++) {
                replay_step(&mesh, &steps[i], &replay);
                used[steps[i].kind]++;
            }
            assert_whole(&mesh, &to, &replay);
        }
    }
    for (int kind = RESHARD_SLICE; kind < RESHARD_KIND_COUNT; kind++)
        assert_true(used[kind] > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(textbook_paths),
        cmocka_unit_test(prices_are_alpha_beta),
        cmocka_unit_test(every_path_moves_the_value),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}

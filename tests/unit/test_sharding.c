/* Unit tests of ir/sharding.c and ir/mesh.c: blocks cover every index once,
 * text goes both ways, logical axes get the links their rings cross. */
#include "ir/mesh.h"
#include "tests/arena.h"

#include <string.h>

static LogicalMesh mesh_of(int64_t microbatches, int64_t x, int64_t y)
{
    LogicalMesh mesh = {.n_axes = 3};
    const char *names[] = {"microbatch", "x", "y"};
    int64_t sizes[] = {microbatches, x, y};
    for (int i = 0; i < 3; i++) {
        mesh.axis[i].name = str_from(names[i]);
        mesh.axis[i].size = sizes[i];
    }
    return mesh;
}

static void assert_covers_once(const LogicalMesh *mesh, int64_t extent,
                               uint8_t mask)
{
    int8_t seen[64] = {0};
    int64_t parts = mesh_axes_size(mesh, mask);
    int64_t block = sharding_block(mesh, extent, mask);
    for (int64_t m = 0; m < mesh->axis[0].size; m++)
        for (int64_t device = 0; device < mesh_devices(mesh); device++) {
            int64_t at[MESH_AXES_MAX] = {m}, start, length;
            mesh_coordinates(mesh, device, at);
            assert_int_equal(mesh_device(mesh, at), device);
            sharding_local_range(mesh, extent, mask, at, &start, &length);
            assert_true(length >= 0 && length <= block);
            for (int64_t i = start; i < start + length; i++)
                seen[i]++;
            /* the last block is the short one: elements and global index
             * alone tell what is padding */
            for (int64_t i = start + length; i < start + block; i++)
                assert_true(i >= extent);
        }
    int64_t copies = mesh->axis[0].size * mesh_devices(mesh) / parts;
    for (int64_t i = 0; i < extent; i++)
        assert_int_equal(seen[i], copies);
}

static void every_fitting_split_covers_each_index_once(void **state)
{
    (void)state;
    int fitting = 0, uneven = 0;
    for (int64_t extent = 1; extent <= 60; extent++)
        for (int sizes = 0; sizes < 27; sizes++)
            for (uint8_t mask = 0; mask < 8; mask++) {
                LogicalMesh mesh =
                    mesh_of(1 + sizes % 3, 1 + sizes / 3 % 3, 2 + sizes / 9);
                Shape shape = {1, {extent}};
                Sharding s = {.axes = {mask}};
                if (!sharding_fits(&mesh, &shape, &s))
                    continue;
                fitting++;
                uneven += extent % mesh_axes_size(&mesh, mask) != 0;
                assert_covers_once(&mesh, extent, mask);
            }
    assert_true(fitting > 1000 && uneven > 100);
}

static void what_does_not_fit(void **state)
{
    (void)state;
    LogicalMesh mesh = mesh_of(4, 4, 2);
    Shape shape = {2, {32, 9}};
    const struct {
        uint8_t axes[3], partial;
        bool fits;
    } cases[] = {
        {{1, 2}, 0, false},    /* 9 over 4 pads 3 of 9 */
        {{1, 4}, 0, true},     /* 9 over 2 pads 1 of 9 */
        {{3, 4}, 0, true},     /* nested, even */
        {{2, 2}, 0, false},    /* an axis twice */
        {{7, 0}, 0, true},     /* three axes */
        {{7, 0}, 2, false},    /* split and partial */
        {{0, 1}, 0, false},    /* microbatches do not divide 9 */
        {{0, 0, 2}, 0, false}, /* no such dimension */
        {{1, 0}, 6, true},     /* partial over the rest */
        {{8, 0}, 0, false},    /* no such axis */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Sharding s = {.partial = cases[i].partial};
        memcpy(s.axes, cases[i].axes, 3);
        assert_int_equal(sharding_fits(&mesh, &shape, &s), cases[i].fits);
    }
}

/* 25 over 2 x 2 would be blocks of 7, 6, 6, 6 with 13 twice: only the first
 * axis of a dimension may cut unevenly, and time never. */
static void only_the_first_axis_cuts_unevenly(void **state)
{
    (void)state;
    LogicalMesh one = mesh_of(1, 2, 2), two = mesh_of(2, 2, 2);
    const struct {
        const LogicalMesh *mesh;
        int64_t extent;
        uint8_t mask;
        bool fits;
    } cases[] = {
        {&one, 25, 2, true},  {&one, 25, 6, false}, {&one, 15, 6, true},
        {&one, 31, 6, true},  {&one, 27, 6, true},  {&one, 30, 6, false},
        {&two, 30, 3, false}, {&two, 30, 2, true},  {&two, 32, 7, true},
        {&two, 28, 7, false}, {&two, 25, 1, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Shape shape = {1, {cases[i].extent}};
        Sharding s = {.axes = {cases[i].mask}};
        assert_int_equal(sharding_fits(cases[i].mesh, &shape, &s),
                         cases[i].fits);
        if (cases[i].fits)
            assert_covers_once(cases[i].mesh, cases[i].extent, cases[i].mask);
    }
}

static void text_goes_both_ways(void **state)
{
    (void)state;
    LogicalMesh mesh = mesh_of(4, 4, 2);
    Sharding s = {{2, 0, 4}, AXIS_MASK_TIME, REDUCE_SUM};
    assert_string_equal(sharding_print(&arena, &mesh, 3, &s).data,
                        "[x, -, y] partial(microbatch, sum)");
    for (int number = 0; number < 512; number++) {
        Sharding in = {{(uint8_t)(number & 7), (uint8_t)(number >> 3 & 7)},
                       (uint8_t)(number >> 6),
                       0};
        in.operator=(uint8_t)(in.partial ? number % 3 : 0);
        Sharding out;
        Str text = sharding_print(&arena, &mesh, 2, &in);
        assert_true(sharding_parse(text, &mesh, 2, &out));
        assert_true(sharding_equal(&in, &out));
    }
    static const char *const WRONG[] = {
        "",
        "[",
        "[x]",
        "[x, -] partial",
        "[x, w]",
        "[x, -] sum",
        "[y*x, -]",
        "[x, -, -]",
        "[x, -]]",
        "[-, -] partial(x)",
        "[-, -] partial(x, mean)",
    };
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        Sharding out;
        assert_false(sharding_parse(str_from(WRONG[i]), &mesh, 2, &out));
    }
}

/* Two hosts of four devices: 100 inside, 8 between, latencies 1 and 5. */
static Mesh two_hosts(void)
{
    Mesh mesh = {0};
    *vector_push(&arena, &mesh.device_types) = (DeviceType){0};
    *vector_push(&arena, &mesh.groups) = (HostGroup){
        .n_hosts = 2,
        .devices_per_host = 4,
        .inner = {1, 100},
        .outer = {5, 8},
    };
    mesh.between = (Link){50, 2};
    return mesh;
}

static void assert_axes(const Mesh *mesh, const Submesh *submesh, int64_t x,
                        int64_t y, double x_bandwidth, double y_bandwidth)
{
    LogicalMesh logical = mesh_logical(mesh, submesh, 1, 2, (int64_t[]){x, y});
    assert_int_equal(mesh_devices(&logical), submesh_devices(submesh));
    assert_true(logical.axis[1].bandwidth_bytes_per_second == x_bandwidth);
    assert_true(logical.axis[2].bandwidth_bytes_per_second == y_bandwidth);
    assert_true(logical.axis[1].latency_seconds == (x_bandwidth < 100 ? 5 : 1));
}

static void rings_share_the_link_between_hosts(void **state)
{
    (void)state;
    Mesh mesh = two_hosts();
    Submesh all = {0, 0, 0, 2, 4}, half = {0, 1, 2, 1, 2};
    assert_axes(&mesh, &all, 2, 4, 2, 100); /* four rings over x */
    assert_axes(&mesh, &all, 4, 2, 4, 100); /* two rings over x, both cross */
    assert_axes(&mesh, &all, 1, 8, 100, 8); /* one ring */
    assert_axes(&mesh, &half, 1, 2, 100, 100);
    assert_int_equal(cluster_devices(&mesh), 8);
    assert_int_equal(submesh_rank(&mesh, &half, 1), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fitting_split_covers_each_index_once),
        cmocka_unit_test(what_does_not_fit),
        cmocka_unit_test(only_the_first_axis_cuts_unevenly),
        cmocka_unit_test(text_goes_both_ways),
        cmocka_unit_test(rings_share_the_link_between_hosts),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}

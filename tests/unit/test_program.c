/* Unit tests of ir/program*.c: bytes there and back, damage found, pieces. */
#include "ir/program.h"
#include "tests/arena.h"

#include <string.h>

static LogicalMesh mesh_of(int64_t microbatches, int64_t x, int64_t y)
{
    return (LogicalMesh){
        .n_axes = 3,
        .axis = {{.name = STR("microbatch"), .size = microbatches},
                 {.name = STR("x"), .size = x},
                 {.name = STR("y"), .size = y}}};
}

static Type type_of(int64_t rows, int64_t columns)
{
    return (Type){DTYPE_F32, {.rank = 2, .extent = {rows, columns}}};
}

static Instruction instruction(InstructionKind kind, int32_t from, int32_t to)
{
    Instruction i = {.kind = kind, .n_buffers = 2};
    i.buffers = arena_new(&arena, int32_t, 2);
    i.buffers[0] = from;
    i.buffers[1] = to;
    return i;
}

static void add_stage(Program *program, int64_t x, int64_t y)
{
    ProgramStage *stage = vector_push(&arena, &program->stages);
    stage->mesh = mesh_of(2, x, y);
    stage->ranks = arena_new(&arena, int64_t, x *y);
    for (int64_t i = 0; i < x * y; i++)
        stage->ranks[i] = program->n_ranks++;
    stage->arena_bytes = 4096;
    for (int64_t i = 0; i < 2; i++)
        *vector_push(&arena, &stage->buffers) = (Buffer){.name = STR("value"),
                                                         .class = BUFFER_SAVED,
                                                         .type = type_of(4, 8),
                                                         .offset = i * 256,
                                                         .slots = 2,
                                                         .slot_bytes = 128};
    *vector_push(&arena, &stage->kernels) =
        (Kernel){.kind = KERNEL_DOT,
                 .name = STR("fc.dot"),
                 .dot = {.m = 4, .n = 8, .k = 3, .a_row = 3, .a_column = 1}};
    Segment *forward = &stage->segments[SEGMENT_FORWARD];
    *vector_push(&arena, &forward->instructions) =
        instruction(INSTRUCTION_RUN, 0, 1);
    Instruction reduce = instruction(INSTRUCTION_COLLECTIVE, 1, 1);
    reduce.collective = OP_ALL_REDUCE;
    reduce.collective_attr.axes = 2;
    *vector_push(&arena, &forward->instructions) = reduce;
    *vector_push(&arena, &stage->schedule) = (Task){SEGMENT_FORWARD, 1, 0, 2};
}

/* Two stages of 2x2 and 1x3 devices, one of everything. */
static Program sample(void)
{
    Program program = {.model_name = STR("sample"),
                       .target = STR("x86-64-v3"),
                       .batch = 8,
                       .n_microbatches = 2,
                       .planned_seconds = 0.25};
    add_stage(&program, 2, 2);
    add_stage(&program, 1, 3);
    *vector_push(&arena, &program.transfers) =
        (Transfer){.name = STR("h"),
                   .from_stage = 0,
                   .to_stage = 1,
                   .type = type_of(8, 12),
                   .from = {.axes = {1, 2}},
                   .to = {.axes = {1, 4}}};
    WorldSum *sum = vector_push(&arena, &program.world_sums);
    sum->name = STR("loss");
    *vector_push(&arena, &sum->terms) = (WorldSumTerm){1, 4};
    *vector_push(&arena, &program.variables) =
        (ProgramVariable){.name = STR("w"),
                          .type = type_of(4, 8),
                          .buffer = 1,
                          .sharding = {.axes = {0, 2}}};
    *vector_push(&arena, &program.inputs) = (ProgramInput){
        .name = STR("x"), .type = type_of(8, 12), .shift_of = -1};
    ProgramOutput *output = vector_push(&arena, &program.outputs);
    *output = (ProgramOutput){.kind = OUTPUT_LOSS, .name = STR("loss")};
    *vector_push(&arena, &output->buffers) = -1;
    *vector_push(&arena, &output->buffers) = 0;
    return program;
}

static void decoding_inverts_encoding(void **state)
{
    (void)state;
    Program program = sample(), decoded;
    Str bytes = program_encode(&arena, &program);
    Status status =
        program_decode(&arena, bytes.data, (size_t)bytes.length, &decoded);
    assert_string_equal(status.message, "");
    Str again = program_encode(&arena, &decoded);
    assert_true(str_equal(bytes, again));
    assert_true(str_equal(program_print(&arena, &program),
                          program_print(&arena, &decoded)));
}

static void every_prefix_is_refused(void **state)
{
    (void)state;
    Program program = sample(), decoded;
    Str bytes = program_encode(&arena, &program);
    for (int64_t length = 0; length < bytes.length; length++) {
        Arena inner = arena;
        Status status =
            program_decode(&inner, bytes.data, (size_t)length, &decoded);
        assert_true(status_failed(&status));
    }
}

/* Whatever a flipped byte does, what is accepted may be printed. */
static void damage_never_crashes(void **state)
{
    (void)state;
    Program program = sample(), decoded;
    Str bytes = program_encode(&arena, &program);
    int64_t refused = 0;
    for (int64_t at = 0; at < bytes.length; at++) {
        Arena inner = arena;
        char *copy = arena_new(&inner, char, bytes.length);
        memcpy(copy, bytes.data, (size_t)bytes.length);
        copy[at] = (char)(copy[at] ^ 0x81);
        Status status =
            program_decode(&inner, copy, (size_t)bytes.length, &decoded);
        if (status_failed(&status))
            refused++;
        else
            program_print(&inner, &decoded);
    }
    assert_true(refused > bytes.length / 2);
}

static void ranks_find_their_place(void **state)
{
    (void)state;
    Program program = sample();
    int32_t stage;
    int64_t device;
    assert_true(program_place(&program, 3, &stage, &device));
    assert_int_equal(stage, 0);
    assert_int_equal(device, 3);
    assert_true(program_place(&program, 5, &stage, &device));
    assert_int_equal(stage, 1);
    assert_int_equal(device, 1);
    assert_false(program_place(&program, 7, &stage, &device));
}

/* How often each element of receiver `device`'s block arrives. */
static void count_elements(const Program *program, int64_t microbatch,
                           int64_t device, int64_t *counts)
{
    TransferPiece *pieces;
    int64_t n =
        program_transfer_pieces(program, 0, microbatch, &arena, &pieces);
    for (int64_t i = 0; i < n; i++) {
        const TransferPiece *p = &pieces[i];
        if (p->to_device != device)
            continue;
        for (int64_t r = 0; r < p->length[0]; r++)
            for (int64_t c = 0; c < p->length[1]; c++)
                counts[(p->begin[0] + r) * 12 + p->begin[1] + c]++;
    }
}

static void pieces_tile_each_block(void **state)
{
    (void)state;
    Program program = sample();
    for (int64_t microbatch = 0; microbatch < 2; microbatch++)
        for (int64_t device = 0; device < 3; device++) {
            int64_t counts[8 * 12] = {0};
            count_elements(&program, microbatch, device, counts);
            for (int64_t r = 0; r < 8; r++)
                for (int64_t c = 0; c < 12; c++)
                    assert_int_equal(counts[r * 12 + c],
                                     r / 4 == microbatch && c / 4 == device);
        }
}

/* Columns are replicated over y: receivers take turns among the replicas. */
static void replicas_share_the_sending(void **state)
{
    (void)state;
    Program program = sample();
    TransferPiece *pieces;
    int64_t n = program_transfer_pieces(&program, 0, 0, &arena, &pieces);
    assert_int_equal(n, 4);
    assert_int_equal(pieces[0].from_device, 0);
    assert_int_equal(pieces[1].from_device, 1);
    assert_int_equal(pieces[2].from_device, 3);
    assert_int_equal(pieces[3].from_device, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(decoding_inverts_encoding, arena_set_up,
                                        arena_tear_down),
        cmocka_unit_test_setup_teardown(every_prefix_is_refused, arena_set_up,
                                        arena_tear_down),
        cmocka_unit_test_setup_teardown(damage_never_crashes, arena_set_up,
                                        arena_tear_down),
        cmocka_unit_test_setup_teardown(ranks_find_their_place, arena_set_up,
                                        arena_tear_down),
        cmocka_unit_test_setup_teardown(pieces_tile_each_block, arena_set_up,
                                        arena_tear_down),
        cmocka_unit_test_setup_teardown(replicas_share_the_sending,
                                        arena_set_up, arena_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

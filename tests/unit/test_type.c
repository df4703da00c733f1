/* Unit tests of ir/type.c and ir/op.c: spellings, sizes, equality. */
#include "ir/op.h"
#include "ir/type.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void dtypes_have_names_and_bytes(void **state)
{
    (void)state;
    DType dtype;
    assert_true(dtype_parse(STR("i32"), &dtype));
    assert_int_equal(dtype, DTYPE_I32);
    assert_string_equal(dtype_name(DTYPE_F32), "f32");
    assert_int_equal(dtype_bytes(DTYPE_F32), 4);
    assert_false(dtype_parse(STR("f64"), &dtype));
    assert_false(dtype_parse(STR(""), &dtype));
}

static void shapes_count_their_elements(void **state)
{
    (void)state;
    Shape scalar = {0}, matrix = {2, {3, 5}}, huge = {2, {INT64_MAX, 2}};
    int64_t count;
    assert_int_equal(shape_count(&scalar), 1);
    assert_int_equal(shape_count(&matrix), 15);
    assert_false(shape_elements(&huge, &count));
    assert_int_equal(type_bytes(&(Type){DTYPE_I32, matrix}), 60);
}

static void types_are_equal_by_rank_extents_and_dtype(void **state)
{
    (void)state;
    Type a = {DTYPE_F32, {2, {3, 5}}}, b = a;
    assert_true(type_equal(&a, &b));
    b.dtype = DTYPE_I32;
    assert_false(type_equal(&a, &b));
    b = (Type){DTYPE_F32, {2, {5, 3}}};
    assert_false(type_equal(&a, &b));
    b = (Type){DTYPE_F32, {3, {3, 5, 1}}};
    assert_false(type_equal(&a, &b));
}

static void types_are_valid_or_not(void **state)
{
    (void)state;
    assert_true(type_valid(&(Type){DTYPE_F32, {0}}));
    assert_true(type_valid(&(Type){DTYPE_F32, {2, {1, 7}}}));
    assert_false(type_valid(&(Type){DTYPE_F32, {2, {1, 0}}}));
    assert_false(type_valid(&(Type){DTYPE_F32, {1, {1, 7}}}));
    assert_false(type_valid(&(Type){DTYPE_F32, {RANK_MAX + 1, {1}}}));
    assert_false(type_valid(&(Type){DTYPE_F32, {-1, {0}}}));
    assert_false(type_valid(&(Type){DTYPE_F32, {1, {INT64_MAX / 2}}}));
}

static void types_print(void **state)
{
    (void)state;
    ArenaMemory memory;
    Arena arena = arena_reserve(&memory, 1 << 16, NULL);
    Type matrix = {DTYPE_F32, {2, {32, 4}}}, scalar = {DTYPE_I32, {0}};
    assert_string_equal(type_print(&arena, &matrix).data, "f32[32, 4]");
    assert_string_equal(type_print(&arena, &scalar).data, "i32[]");
    arena_release(&memory);
}

static void ops_parse_to_themselves(void **state)
{
    (void)state;
    for (int i = OP_NONE + 1; i < OP_COUNT; i++) {
        Op op;
        assert_true(op_parse(str_from(op_info((Op)i)->text), &op));
        assert_int_equal(op, i);
    }
    Op op;
    assert_false(op_parse(STR("none"), &op));
    assert_false(op_parse(STR("dots"), &op));
}

static void ops_have_their_columns(void **state)
{
    (void)state;
    assert_int_equal(op_info(OP_MUL)->linear[0], 1);
    assert_int_equal(op_info(OP_MUL)->linear[1], 2);
    assert_int_equal(op_info(OP_WORLD_SUM)->n_operands, -1);
    assert_int_equal(op_info(OP_DOT)->attr, ATTR_dot);
    assert_true(op_has(OP_DOT, TRAIT_CONTRACTION));
    assert_false(op_has(OP_ADD, TRAIT_F32));
}

static void attributes_differ_by_what_the_op_uses(void **state)
{
    (void)state;
    Attr zero = {.constant = {0.0}}, minus_zero = {.constant = {-0.0}};
    assert_false(attr_equal(OP_CONSTANT, &zero, &minus_zero));
    assert_true(attr_equal(OP_ADD, &zero, &minus_zero));
    Attr a = {.dot = {"ik", "kj", "ij"}}, b = {.dot = {"ik", "kj", "ji"}};
    assert_true(attr_equal(OP_DOT, &a, &a));
    assert_false(attr_equal(OP_DOT, &a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dtypes_have_names_and_bytes),
        cmocka_unit_test(shapes_count_their_elements),
        cmocka_unit_test(types_are_equal_by_rank_extents_and_dtype),
        cmocka_unit_test(types_are_valid_or_not),
        cmocka_unit_test(types_print),
        cmocka_unit_test(ops_parse_to_themselves),
        cmocka_unit_test(ops_have_their_columns),
        cmocka_unit_test(attributes_differ_by_what_the_op_uses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Unit tests of the CPU's library calls against the obvious loops. */
#include "runtime/device.h"
#include "tests/arena.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint32_t random_state = 1;

static float *random_values(int64_t count)
{
    float *values = arena_new(&arena, float, count);
    for (int64_t i = 0; i < count; i++) {
        random_state = random_state * 1664525u + 1013904223u;
        values[i] = (float)(random_state >> 8) * 0x1p-24f - 0.5f;
    }
    return values;
}

static void assert_close(const float *a, const float *b, int64_t count)
{
    double distance = 0, norm = 0;
    for (int64_t i = 0; i < count; i++) {
        distance +=
            ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        norm += (double)b[i] * (double)b[i];
    }
    assert_true(norm > 0);
    assert_true(sqrt(distance / norm) < 1e-5);
}

/* Runs one kernel on a device whose arena holds `n` buffers; the last one is
 * the result, which is returned. */
static float *run_kernel(const Kernel *kernel, float *const *operands,
                         const int64_t *counts, int n)
{
    ProgramStage stage = {.mesh = {.n_axes = 1}};
    *vector_push(&arena, &stage.kernels) = *kernel;
    int64_t offset[3];
    for (int i = 0; i < n; i++) {
        offset[i] = stage.arena_bytes;
        stage.arena_bytes += (counts[i] * 4 + 63) / 64 * 64;
    }
    Device device;
    DeviceOptions options = {.threads = 1};
    Status status = cpu_device_init(&device, &stage, &options);
    assert_string_equal(status.message, "");
    char *buffers[3];
    KernelContext context = {0};
    for (int i = 0; i < n; i++) {
        buffers[i] = device.arena + offset[i];
        if (i < n - 1)
            memcpy(buffers[i], operands[i], (size_t)counts[i] * 4);
    }
    /* Twice: the second must not depend on the first. */
    for (int i = 0; i < 2; i++) {
        status = device.interface->run(&device, 0, buffers, &context);
        assert_string_equal(status.message, "");
    }
    float *result = arena_new(&arena, float, counts[n - 1]);
    memcpy(result, buffers[n - 1], (size_t)counts[n - 1] * 4);
    device_deinit(&device);
    return result;
}

/* -- dots ----------------------------------------------------------------- */

static void reference_dot(const DotCall *d, const float *a, const float *b,
                          float *c)
{
    int64_t total = 1;
    for (int32_t i = 0; i < d->n_batch; i++)
        total *= d->batch[i];
    for (int64_t t = 0; t < total; t++) {
        int64_t rest = t, at_a = 0, at_b = 0, at_c = 0;
        for (int32_t i = d->n_batch - 1; i >= 0; i--) {
            int64_t index = rest % d->batch[i];
            rest /= d->batch[i];
            at_a += index * d->a_batch[i];
            at_b += index * d->b_batch[i];
            at_c += index * d->c_batch[i];
        }
        for (int64_t m = 0; m < d->m; m++)
            for (int64_t n = 0; n < d->n; n++) {
                double sum = 0;
                for (int64_t k = 0; k < d->k; k++)
                    sum += (double)a[at_a + m * d->a_row + k * d->a_column] *
                           (double)b[at_b + k * d->b_row + n * d->b_column];
                c[at_c + m * d->c_row + n * d->c_column] = (float)sum;
            }
    }
}

/* Dense matrices [2][3][rows][columns], each transposed or not. */
static void check_dot(int64_t m, int64_t n, int64_t k, int layout)
{
    DotCall d = {.m = m, .n = n, .k = k, .n_batch = 2, .batch = {2, 3}};
    bool a = layout & 1, b = layout & 2, c = layout & 4;
    d.a_row = a ? 1 : k;
    d.a_column = a ? m : 1;
    d.b_row = b ? 1 : n;
    d.b_column = b ? k : 1;
    d.c_row = c ? 1 : n;
    d.c_column = c ? m : 1;
    d.a_batch[0] = 3 * m * k;
    d.a_batch[1] = m * k;
    d.b_batch[0] = 0;
    d.b_batch[1] = k * n; /* one B for both outer */
    d.c_batch[0] = m * n;
    d.c_batch[1] = 2 * m * n;
    const int64_t counts[] = {6 * m * k, 3 * k * n, 6 * m * n};
    float *operands[] = {random_values(counts[0]), random_values(counts[1])};
    float *expected = arena_new(&arena, float, counts[2]);
    reference_dot(&d, operands[0], operands[1], expected);
    Kernel kernel = {.kind = KERNEL_DOT, .name = STR("dot"), .dot = d};
    assert_close(run_kernel(&kernel, operands, counts, 3), expected, counts[2]);
}

static void dots_in_every_layout(void **state)
{
    (void)state;
    const int64_t sizes[][3] = {{5, 7, 9}, {1, 7, 9}, {5, 1, 9},  {5, 7, 1},
                                {1, 1, 9}, {1, 1, 1}, {33, 17, 2}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (int layout = 0; layout < 8; layout++)
            check_dot(sizes[i][0], sizes[i][1], sizes[i][2], layout);
}

/* Attention's heads: rows further apart than they are long. */
static void dots_with_gaps_between_rows(void **state)
{
    (void)state;
    enum { HEADS = 3, ROWS = 6, WIDTH = 4, PITCH = HEADS * WIDTH };
    DotCall d = {.m = ROWS,
                 .n = ROWS,
                 .k = WIDTH,
                 .n_batch = 1,
                 .batch = {HEADS},
                 .a_batch = {WIDTH},
                 .b_batch = {WIDTH},
                 .c_batch = {ROWS * ROWS},
                 .a_row = PITCH,
                 .a_column = 1,
                 .b_row = 1,
                 .b_column = PITCH,
                 .c_row = ROWS,
                 .c_column = 1};
    const int64_t counts[] = {ROWS * PITCH, ROWS * PITCH, HEADS * ROWS * ROWS};
    float *operands[] = {random_values(counts[0]), random_values(counts[1])};
    float *expected = arena_new(&arena, float, counts[2]);
    reference_dot(&d, operands[0], operands[1], expected);
    Kernel kernel = {.kind = KERNEL_DOT, .name = STR("dot"), .dot = d};
    assert_close(run_kernel(&kernel, operands, counts, 3), expected, counts[2]);
}

/* -- convolutions --------------------------------------------------------- */

/* The arrays of a convolution; what is computed is the kind's result. */
typedef struct Arrays {
    float *x, *w, *y;
} Arrays;

/* Calls for every product x[i] w[j] that y[o] contains: adds to the result the
 * product of the other two. */
static void reference_convolution(const ConvolutionCall *c, Arrays v)
{
    for (int64_t n = 0; n < c->batch; n++)
        for (int64_t o = 0; o < c->channels_out; o++)
            for (int64_t h = 0; h < c->output[0]; h++)
                for (int64_t w = 0; w < c->output[1]; w++)
                    for (int64_t i = 0; i < c->channels_in; i++)
                        for (int64_t p = 0; p < c->kernel[0]; p++)
                            for (int64_t q = 0; q < c->kernel[1]; q++) {
                                int64_t r =
                                    h * c->stride[0] + p - c->padding[0];
                                int64_t s =
                                    w * c->stride[1] + q - c->padding[1];
                                if (r < 0 || r >= c->input[0] || s < 0 ||
                                    s >= c->input[1])
                                    continue;
                                float *x = &v.x[((n * c->channels_in + i) *
                                                     c->input[0] +
                                                 r) *
                                                    c->input[1] +
                                                s];
                                float *f = &v.w[((o * c->channels_in + i) *
                                                     c->kernel[0] +
                                                 p) *
                                                    c->kernel[1] +
                                                q];
                                float *y = &v.y[((n * c->channels_out + o) *
                                                     c->output[0] +
                                                 h) *
                                                    c->output[1] +
                                                w];
                                switch (c->kind) {
                                case CONVOLUTION_FORWARD: *y += *x * *f; break;
                                case CONVOLUTION_GRADIENT_INPUT:
                                    *x += *y * *f;
                                    break;
                                case CONVOLUTION_GRADIENT_FILTER:
                                    *f += *x * *y;
                                    break;
                                }
                            }
}

static void check_convolution(ConvolutionCall c)
{
    for (int d = 0; d < 2; d++)
        c.output[d] =
            (c.input[d] + 2 * c.padding[d] - c.kernel[d]) / c.stride[d] + 1;
    const int64_t x = c.batch * c.channels_in * c.input[0] * c.input[1];
    const int64_t w =
        c.channels_out * c.channels_in * c.kernel[0] * c.kernel[1];
    const int64_t y = c.batch * c.channels_out * c.output[0] * c.output[1];
    const int64_t counts[3][3] = {{x, w, y}, {y, w, x}, {x, y, w}};
    for (int kind = 0; kind < 3; kind++) {
        c.kind = (ConvolutionKind)kind;
        float *a = random_values(counts[kind][0]);
        float *b = random_values(counts[kind][1]);
        float *r = arena_new(&arena, float, counts[kind][2]);
        Arrays arrays[] = {{a, b, r}, {r, b, a}, {a, r, b}};
        reference_convolution(&c, arrays[kind]);
        Kernel kernel = {
            .kind = KERNEL_CONVOLUTION, .name = STR("conv"), .convolution = c};
        float *operands[] = {a, b};
        assert_close(run_kernel(&kernel, operands, counts[kind], 3), r,
                     counts[kind][2]);
    }
}

static void convolutions_and_their_gradients(void **state)
{
    (void)state;
    check_convolution((ConvolutionCall){.batch = 2,
                                        .channels_in = 1,
                                        .channels_out = 6,
                                        .input = {12, 12},
                                        .kernel = {5, 5},
                                        .stride = {1, 1},
                                        .padding = {2, 2}});
    check_convolution((ConvolutionCall){.batch = 3,
                                        .channels_in = 6,
                                        .channels_out = 16,
                                        .input = {9, 8},
                                        .kernel = {5, 5},
                                        .stride = {1, 1}});
    check_convolution((ConvolutionCall){.batch = 1,
                                        .channels_in = 16,
                                        .channels_out = 32,
                                        .input = {8, 8},
                                        .kernel = {3, 3},
                                        .stride = {2, 2},
                                        .padding = {1, 1}});
    check_convolution((ConvolutionCall){.batch = 2,
                                        .channels_in = 3,
                                        .channels_out = 5,
                                        .input = {7, 10},
                                        .kernel = {1, 3},
                                        .stride = {2, 3},
                                        .padding = {0, 1}});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dots_in_every_layout),
        cmocka_unit_test(dots_with_gaps_between_rows),
        cmocka_unit_test(convolutions_and_their_gradients),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}

/* Convolutions on the CPU by oneDNN, opened when the stage has one.
 *
 * oneDNN is free to choose the layout of every array ("any"): blocked layouts
 * are two to three times as fast as plain NCHW.  Where its choice differs from
 * the program's dense NCHW and OIHW, a reorder runs before (operands) or after
 * (the result).  Primitives, blocked arrays and one scratchpad shared by all
 * are made at init; a step allocates nothing.
 */
#include "runtime/cpu_library.h"
#include "support/checked.h"

#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>

#define DNNL_FUNCTIONS(X)                     \
    X(convolution_forward_desc_init)          \
    X(convolution_backward_data_desc_init)    \
    X(convolution_backward_weights_desc_init) \
    X(engine_create)                          \
    X(engine_destroy)                         \
    X(memory_create)                          \
    X(memory_desc_equal)                      \
    X(memory_desc_get_size)                   \
    X(memory_desc_init_by_tag)                \
    X(memory_destroy)                         \
    X(memory_set_data_handle)                 \
    X(primitive_attr_create)                  \
    X(primitive_attr_destroy)                 \
    X(primitive_attr_set_scratchpad_mode)     \
    X(primitive_create)                       \
    X(primitive_desc_create)                  \
    X(primitive_desc_destroy)                 \
    X(primitive_desc_query_md)                \
    X(primitive_destroy)                      \
    X(primitive_execute)                      \
    X(reorder_primitive_desc_create)          \
    X(stream_create)                          \
    X(stream_destroy)                         \
    X(stream_wait)

typedef struct Dnnl {
    void *handle;
#define FUNCTION_POINTER(name) __typeof__(&dnnl_##name) name;
    DNNL_FUNCTIONS(FUNCTION_POINTER)
#undef FUNCTION_POINTER
} Dnnl;

/* The three arrays of a convolution, in the order of the kernel's buffers. */
enum { CONVOLUTION_ARRAYS = 3, RESULT = 2 };

/* One array: as the program stores it and as the primitive wants it. */
typedef struct Array {
    int argument; /* DNNL_ARG_... */
    dnnl_memory_desc_t plain, chosen;
    dnnl_memory_t plain_memory;
    dnnl_memory_t chosen_memory; /* plain_memory where the layouts agree */
    void *blocked;               /* storage of chosen_memory, or NULL */
    dnnl_primitive_t reorder;    /* NULL where the layouts agree */
} Array;

typedef struct Convolution {
    Array arrays[CONVOLUTION_ARRAYS];
    dnnl_primitive_t primitive; /* NULL: this kernel is no convolution */
    dnnl_memory_t scratchpad;
} Convolution;

struct Convolutions {
    Dnnl dnnl;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_attr_t attributes;
    int64_t n_kernels;
    Convolution *kernels; /* by kernel number */
    void *scratchpad;
    size_t scratchpad_bytes;
};

static Status check(dnnl_status_t status, const char *what)
{
    if (status == dnnl_success)
        return status_ok();
    return status_error(STATUS_ENVIRONMENT, "oneDNN: %s failed with status %d",
                        what, (int)status);
}

static Status open_library(Dnnl *dnnl)
{
    dnnl->handle = dlopen("libdnnl.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!dnnl->handle)
        return status_error(STATUS_ENVIRONMENT,
                            "cannot open oneDNN (%s); install libdnnl2",
                            dlerror());
#define FUNCTION_LOAD(name)                                     \
    *(void **)&dnnl->name = dlsym(dnnl->handle, "dnnl_" #name); \
    if (!dnnl->name)                                            \
        return status_error(STATUS_ENVIRONMENT, "oneDNN: %s", dlerror());
    DNNL_FUNCTIONS(FUNCTION_LOAD)
#undef FUNCTION_LOAD
    return status_ok();
}

/* -- descriptors ---------------------------------------------------------- */

/* The memory descriptors of x, w and y in one layout, and the window. */
typedef struct Descriptors {
    dnnl_memory_desc_t x, w, y;
    dnnl_dims_t stride, padding;
} Descriptors;

static Status describe(const Dnnl *dnnl, const ConvolutionCall *c, bool plain,
                       Descriptors *out)
{
    const dnnl_dims_t x = {c->batch, c->channels_in, c->input[0], c->input[1]};
    const dnnl_dims_t w = {c->channels_out, c->channels_in, c->kernel[0],
                           c->kernel[1]};
    const dnnl_dims_t y = {c->batch, c->channels_out, c->output[0],
                           c->output[1]};
    *out = (Descriptors){.stride = {c->stride[0], c->stride[1]},
                         .padding = {c->padding[0], c->padding[1]}};
    dnnl_format_tag_t nchw = plain ? dnnl_nchw : dnnl_format_tag_any;
    dnnl_format_tag_t oihw = plain ? dnnl_oihw : dnnl_format_tag_any;
    TRY(check(dnnl->memory_desc_init_by_tag(&out->x, 4, x, dnnl_f32, nchw),
              "describing x"));
    TRY(check(dnnl->memory_desc_init_by_tag(&out->w, 4, w, dnnl_f32, oihw),
              "describing w"));
    return check(dnnl->memory_desc_init_by_tag(&out->y, 4, y, dnnl_f32, nchw),
                 "describing y");
}

static Status forward_primitive(const Convolutions *all, const Descriptors *d,
                                dnnl_primitive_desc_t *out)
{
    dnnl_convolution_desc_t op;
    TRY(check(all->dnnl.convolution_forward_desc_init(
                  &op, dnnl_forward_training, dnnl_convolution_direct, &d->x,
                  &d->w, NULL, &d->y, d->stride, d->padding, d->padding),
              "convolution"));
    return check(all->dnnl.primitive_desc_create(out, &op, all->attributes,
                                                 all->engine, NULL),
                 "convolution");
}

static Status backward_primitive(const Convolutions *all,
                                 const ConvolutionCall *c, Descriptors *d,
                                 dnnl_primitive_desc_t forward,
                                 dnnl_primitive_desc_t *out)
{
    const Dnnl *dnnl = &all->dnnl;
    dnnl_convolution_desc_t op;
    dnnl_status_t status;
    if (c->kind == CONVOLUTION_GRADIENT_INPUT)
        status = dnnl->convolution_backward_data_desc_init(
            &op, dnnl_convolution_direct, &d->x, &d->w, &d->y, d->stride,
            d->padding, d->padding);
    else
        status = dnnl->convolution_backward_weights_desc_init(
            &op, dnnl_convolution_direct, &d->x, &d->w, NULL, &d->y, d->stride,
            d->padding, d->padding);
    TRY(check(status, "convolution gradient"));
    return check(dnnl->primitive_desc_create(out, &op, all->attributes,
                                             all->engine, forward),
                 "convolution gradient");
}

/* The primitive descriptor of the call; the caller destroys it. */
static Status choose_primitive(const Convolutions *all,
                               const ConvolutionCall *c,
                               dnnl_primitive_desc_t *out)
{
    Descriptors any;
    TRY(describe(&all->dnnl, c, false, &any));
    dnnl_primitive_desc_t forward = NULL;
    TRY(forward_primitive(all, &any, &forward));
    if (c->kind == CONVOLUTION_FORWARD) {
        *out = forward;
        return status_ok();
    }
    Status status = backward_primitive(all, c, &any, forward, out);
    all->dnnl.primitive_desc_destroy(forward);
    return status;
}

/* -- arrays --------------------------------------------------------------- */

/* Which oneDNN argument each of the kernel's buffers is. */
static void name_arguments(Convolution *k, const ConvolutionCall *c,
                           const Descriptors *plain)
{
    switch (c->kind) {
    case CONVOLUTION_FORWARD:
        k->arrays[0] = (Array){.argument = DNNL_ARG_SRC, .plain = plain->x};
        k->arrays[1] = (Array){.argument = DNNL_ARG_WEIGHTS, .plain = plain->w};
        k->arrays[2] = (Array){.argument = DNNL_ARG_DST, .plain = plain->y};
        break;
    case CONVOLUTION_GRADIENT_INPUT:
        k->arrays[0] =
            (Array){.argument = DNNL_ARG_DIFF_DST, .plain = plain->y};
        k->arrays[1] = (Array){.argument = DNNL_ARG_WEIGHTS, .plain = plain->w};
        k->arrays[2] =
            (Array){.argument = DNNL_ARG_DIFF_SRC, .plain = plain->x};
        break;
    case CONVOLUTION_GRADIENT_FILTER:
        k->arrays[0] = (Array){.argument = DNNL_ARG_SRC, .plain = plain->x};
        k->arrays[1] =
            (Array){.argument = DNNL_ARG_DIFF_DST, .plain = plain->y};
        k->arrays[2] =
            (Array){.argument = DNNL_ARG_DIFF_WEIGHTS, .plain = plain->w};
        break;
    }
}

static Status make_reorder(const Convolutions *all, Array *array, bool result)
{
    const Dnnl *dnnl = &all->dnnl;
    size_t bytes = dnnl->memory_desc_get_size(&array->chosen);
    array->blocked = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!array->blocked)
        return status_error(STATUS_ENVIRONMENT, "out of memory");
    TRY(check(dnnl->memory_create(&array->chosen_memory, &array->chosen,
                                  all->engine, array->blocked),
              "making an array"));
    const dnnl_memory_desc_t *from = result ? &array->chosen : &array->plain;
    const dnnl_memory_desc_t *to = result ? &array->plain : &array->chosen;
    dnnl_primitive_desc_t descriptor;
    TRY(check(dnnl->reorder_primitive_desc_create(
                  &descriptor, from, all->engine, to, all->engine, NULL),
              "reorder"));
    dnnl_status_t status = dnnl->primitive_create(&array->reorder, descriptor);
    dnnl->primitive_desc_destroy(descriptor);
    return check(status, "reorder");
}

static Status make_array(const Convolutions *all, Array *array, bool result,
                         dnnl_primitive_desc_t descriptor)
{
    const Dnnl *dnnl = &all->dnnl;
    array->chosen = *dnnl->primitive_desc_query_md(
        descriptor, dnnl_query_exec_arg_md, array->argument);
    TRY(check(dnnl->memory_create(&array->plain_memory, &array->plain,
                                  all->engine, DNNL_MEMORY_NONE),
              "making an array"));
    if (dnnl->memory_desc_equal(&array->plain, &array->chosen)) {
        array->chosen_memory = array->plain_memory;
        return status_ok();
    }
    return make_reorder(all, array, result);
}

static Status make_convolution(Convolutions *all, const ConvolutionCall *c,
                               Convolution *out)
{
    const Dnnl *dnnl = &all->dnnl;
    Descriptors plain;
    TRY(describe(dnnl, c, true, &plain));
    name_arguments(out, c, &plain);
    dnnl_primitive_desc_t descriptor = NULL;
    TRY(choose_primitive(all, c, &descriptor));
    Status status = status_ok();
    for (int i = 0; i < CONVOLUTION_ARRAYS && !status_failed(&status); i++)
        status = make_array(all, &out->arrays[i], i == RESULT, descriptor);
    if (!status_failed(&status))
        status = check(dnnl->primitive_create(&out->primitive, descriptor),
                       "convolution");
    const dnnl_memory_desc_t *scratchpad =
        dnnl->primitive_desc_query_md(descriptor, dnnl_query_scratchpad_md, 0);
    size_t bytes = scratchpad ? dnnl->memory_desc_get_size(scratchpad) : 0;
    if (bytes && !status_failed(&status)) {
        status = check(dnnl->memory_create(&out->scratchpad, scratchpad,
                                           all->engine, DNNL_MEMORY_NONE),
                       "scratchpad");
        if (bytes > all->scratchpad_bytes)
            all->scratchpad_bytes = bytes;
    }
    dnnl->primitive_desc_destroy(descriptor);
    return status;
}

/* -- the whole ------------------------------------------------------------ */

static Status make_all(Convolutions *all, const ProgramStage *stage)
{
    const Dnnl *dnnl = &all->dnnl;
    TRY(open_library(&all->dnnl));
    TRY(check(dnnl->engine_create(&all->engine, dnnl_cpu, 0), "engine"));
    TRY(check(dnnl->stream_create(&all->stream, all->engine,
                                  dnnl_stream_default_flags),
              "stream"));
    TRY(check(dnnl->primitive_attr_create(&all->attributes), "attributes"));
    TRY(check(dnnl->primitive_attr_set_scratchpad_mode(
                  all->attributes, dnnl_scratchpad_mode_user),
              "scratchpad mode"));
    all->n_kernels = stage->kernels.count;
    all->kernels = calloc((size_t)all->n_kernels, sizeof(Convolution));
    if (!all->kernels)
        return status_error(STATUS_ENVIRONMENT, "out of memory");
    for (int64_t i = 0; i < all->n_kernels; i++) {
        const Kernel *k = &stage->kernels.data[i];
        if (k->kind == KERNEL_CONVOLUTION)
            TRY(status_context(
                make_convolution(all, &k->convolution, &all->kernels[i]),
                "%.*s", STR_ARG(k->name)));
    }
    all->scratchpad = aligned_alloc(64, (all->scratchpad_bytes + 64) / 64 * 64);
    if (!all->scratchpad)
        return status_error(STATUS_ENVIRONMENT, "out of memory");
    return status_ok();
}

Status convolutions_open(Convolutions **out, const ProgramStage *stage,
                         int32_t threads)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", threads);
    setenv("OMP_NUM_THREADS", text, 1);
    Convolutions *all = calloc(1, sizeof(Convolutions));
    if (!all)
        return status_error(STATUS_ENVIRONMENT, "out of memory");
    Status status = make_all(all, stage);
    if (status_failed(&status)) {
        convolutions_close(all);
        return status;
    }
    *out = all;
    return status_ok();
}

static void close_convolution(const Dnnl *dnnl, Convolution *k)
{
    for (int i = 0; i < CONVOLUTION_ARRAYS; i++) {
        Array *array = &k->arrays[i];
        if (array->reorder)
            dnnl->primitive_destroy(array->reorder);
        if (array->blocked && array->chosen_memory)
            dnnl->memory_destroy(array->chosen_memory);
        if (array->plain_memory)
            dnnl->memory_destroy(array->plain_memory);
        free(array->blocked);
    }
    if (k->scratchpad)
        dnnl->memory_destroy(k->scratchpad);
    if (k->primitive)
        dnnl->primitive_destroy(k->primitive);
}

void convolutions_close(Convolutions *all)
{
    if (!all)
        return;
    const Dnnl *dnnl = &all->dnnl;
    for (int64_t i = 0; all->kernels && i < all->n_kernels; i++)
        close_convolution(dnnl, &all->kernels[i]);
    free(all->kernels);
    free(all->scratchpad);
    if (all->attributes)
        dnnl->primitive_attr_destroy(all->attributes);
    if (all->stream)
        dnnl->stream_destroy(all->stream);
    if (all->engine)
        dnnl->engine_destroy(all->engine);
    if (dnnl->handle)
        dlclose(dnnl->handle);
    free(all);
}

static Status run_reorder(Convolutions *all, Array *array, bool result)
{
    dnnl_memory_t from = result ? array->chosen_memory : array->plain_memory;
    dnnl_memory_t to = result ? array->plain_memory : array->chosen_memory;
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, from},
                                         {DNNL_ARG_TO, to}};
    return check(
        all->dnnl.primitive_execute(array->reorder, all->stream, 2, arguments),
        "reorder");
}

Status convolutions_run(Convolutions *all, int32_t kernel, char *const *buffers)
{
    const Dnnl *dnnl = &all->dnnl;
    Convolution *k = &all->kernels[kernel];
    dnnl_exec_arg_t arguments[CONVOLUTION_ARRAYS + 1];
    int n = 0;
    for (int i = 0; i < CONVOLUTION_ARRAYS; i++) {
        Array *array = &k->arrays[i];
        TRY(check(dnnl->memory_set_data_handle(array->plain_memory, buffers[i]),
                  "array"));
        if (array->reorder && i != RESULT)
            TRY(run_reorder(all, array, false));
        arguments[n++] =
            (dnnl_exec_arg_t){array->argument, array->chosen_memory};
    }
    if (k->scratchpad) {
        TRY(check(dnnl->memory_set_data_handle(k->scratchpad, all->scratchpad),
                  "scratchpad"));
        arguments[n++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, k->scratchpad};
    }
    TRY(check(dnnl->primitive_execute(k->primitive, all->stream, n, arguments),
              "convolution"));
    if (k->arrays[RESULT].reorder)
        TRY(run_reorder(all, &k->arrays[RESULT], true));
    return check(dnnl->stream_wait(all->stream), "stream");
}

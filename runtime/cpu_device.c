/* The CPU device: one mapping for all memory, kernels called in place.
 *
 * The arena is mapped once, on huge pages where the kernel has them, and
 * touched before step 0, so that a step never faults.
 */
#include "runtime/cpu_library.h"
#include "runtime/device.h"
#include "support/checked.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef struct CpuDevice {
    KernelFunction *const *code;
    Blas blas;
    Convolutions *convolutions;
} CpuDevice;

static Status run(Device *device, int32_t kernel, char *const *buffers,
                  const KernelContext *context)
{
    CpuDevice *cpu = device->state;
    const Kernel *k = &device->stage->kernels.data[kernel];
    switch (k->kind) {
    case KERNEL_CODE: cpu->code[k->code](buffers, context); break;
    case KERNEL_DOT:
        cpu_dot(&cpu->blas, &k->dot, (const float *)buffers[0],
                (const float *)buffers[1], (float *)buffers[2]);
        break;
    case KERNEL_CONVOLUTION:
        return convolutions_run(cpu->convolutions, kernel, buffers);
    }
    return status_ok();
}

static Status read_arena(Device *device, void *host, const char *address,
                         int64_t bytes)
{
    (void)device;
    memcpy(host, address, (size_t)bytes);
    return status_ok();
}

static Status write_arena(Device *device, char *address, const void *host,
                          int64_t bytes)
{
    (void)device;
    memcpy(address, host, (size_t)bytes);
    return status_ok();
}

static Status wait_device(Device *device)
{
    (void)device;
    return status_ok();
}

static void deinit(Device *device)
{
    CpuDevice *cpu = device->state;
    if (cpu) {
        convolutions_close(cpu->convolutions);
        blas_close(&cpu->blas);
        free(cpu);
    }
    if (device->arena)
        munmap(device->arena, (size_t)device->arena_bytes);
    *device = (Device){0};
}

static const DeviceInterface cpu_interface = {
    .name = "cpu",
    .run = run,
    .read = read_arena,
    .write = write_arena,
    .wait = wait_device,
    .deinit = deinit,
};

static Status map_arena(Device *device, int64_t bytes)
{
    const int64_t huge_page = 1 << 21;
    bytes = round_up_i64(max_i64(bytes, 1), huge_page);
    void *pages = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return status_error(STATUS_ENVIRONMENT,
                            "the plan needs %lld bytes of memory on this "
                            "device, which the system refuses: %s",
                            (long long)bytes, strerror(errno));
    (void)madvise(pages, (size_t)bytes, MADV_HUGEPAGE);
    memset(pages, 0, (size_t)bytes);
    device->arena = pages;
    device->arena_bytes = bytes;
    return status_ok();
}

static bool has_kernel(const ProgramStage *stage, KernelKind kind)
{
    for (int64_t i = 0; i < stage->kernels.count; i++)
        if (stage->kernels.data[i].kind == kind)
            return true;
    return false;
}

static Status check_code(const ProgramStage *stage, uint64_t code_count)
{
    for (int64_t i = 0; i < stage->kernels.count; i++) {
        const Kernel *k = &stage->kernels.data[i];
        if (k->kind == KERNEL_CODE &&
            (k->code < 0 || (uint64_t)k->code >= code_count))
            return status_error(STATUS_ENVIRONMENT,
                                "kernel '%.*s' is not in this job",
                                STR_ARG(k->name));
    }
    return status_ok();
}

static Status init(Device *device, const DeviceOptions *options)
{
    const ProgramStage *stage = device->stage;
    TRY(check_code(stage, options->code_count));
    CpuDevice *cpu = calloc(1, sizeof(CpuDevice));
    if (!cpu)
        return status_error(STATUS_ENVIRONMENT, "out of memory");
    device->state = cpu;
    cpu->code = options->code;
    if (has_kernel(stage, KERNEL_DOT))
        TRY(blas_open(&cpu->blas, options->threads));
    if (has_kernel(stage, KERNEL_CONVOLUTION))
        TRY(convolutions_open(&cpu->convolutions, stage, options->threads));
    return map_arena(device, stage->arena_bytes);
}

Status cpu_device_init(Device *device, const ProgramStage *stage,
                       const DeviceOptions *options)
{
    *device = (Device){.interface = &cpu_interface, .stage = stage};
    Status status = init(device, options);
    if (status_failed(&status))
        deinit(device);
    return status;
}

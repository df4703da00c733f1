/* Device: one arena of memory and the kernels that run in it.
 *
 * The seam between the worker, which knows programs, and what executes them.
 * A device is made for one stage of a program; all its memory is one arena of
 * stage->arena_bytes, reserved before step 0, and buffers are addresses in it.
 * Kernels run in the order given; `read`, `write` and `wait` come after all
 * that was given before.
 */
#ifndef DNNC_RUNTIME_DEVICE_H
#define DNNC_RUNTIME_DEVICE_H

#include "ir/program.h"

typedef struct Device Device;

typedef struct DeviceInterface {
    const char *name;
    /* Runs stage->kernels[kernel] on the given addresses. */
    Status (*run)(Device *device, int32_t kernel, char *const *buffers,
                  const KernelContext *context);
    /* Between host memory and `bytes` at an address of the arena. */
    Status (*read)(Device *device, void *host, const char *address,
                   int64_t bytes);
    Status (*write)(Device *device, char *address, const void *host,
                    int64_t bytes);
    Status (*wait)(Device *device);
    void (*deinit)(Device *device);
} DeviceInterface;

struct Device {
    const DeviceInterface *interface;
    const ProgramStage *stage;
    char *arena; /* first byte; NULL before init */
    int64_t arena_bytes;
    void *state; /* the implementation's */
};

typedef struct DeviceOptions {
    KernelFunction *const *code; /* what KERNEL_CODE numbers index */
    uint64_t code_count;
    int32_t threads; /* of libraries, at least 1 */
} DeviceOptions;

/* The host's processor.  Fails when the arena is not to be had or a library
 * that a kernel needs cannot be opened. */
Status cpu_device_init(Device *device, const ProgramStage *stage,
                       const DeviceOptions *options) MUST_USE;
static inline void device_deinit(Device *device)
{
    if (device->interface)
        device->interface->deinit(device);
}

/* Where microbatch m of a buffer lies. */
static inline char *device_address(const Device *device, int32_t buffer,
                                   int64_t microbatch)
{
    const Buffer *b = &device->stage->buffers.data[buffer];
    return device->arena + b->offset + microbatch % b->slots * b->slot_bytes;
}

#endif

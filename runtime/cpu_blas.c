/* OpenBLAS, opened when the stage has a matrix product. */
#include "runtime/cpu_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static const char *const library_names[] = {"libopenblas.so.0",
                                            "libopenblas.so", "libcblas.so.3"};

/* OpenBLAS takes its packing memory at the first product, and where the system
 * refuses it tries again for ever.  So it is asked for here, where a refusal can
 * be told, and before the arena. */
static Status take_packing_memory(const Blas *blas, int32_t threads)
{
    const size_t each_bytes = (size_t)129 << 20; /* 128 MiB and a page */
    size_t bytes = (size_t)threads * each_bytes;
    void *probe = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (probe == MAP_FAILED)
        return status_error(STATUS_ENVIRONMENT,
                            "OpenBLAS needs %lld bytes of address space, "
                            "which the system refuses: %s",
                            (long long)bytes, strerror(errno));
    munmap(probe, bytes);
    enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111 };
    const float one = 1;
    float product;
    blas->sgemm(ROW_MAJOR, NO_TRANSPOSE, NO_TRANSPOSE, 1, 1, 1, 1, &one, 1,
                &one, 1, 0, &product, 1);
    return status_ok();
}

Status blas_open(Blas *blas, int32_t threads)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", threads);
    setenv("OPENBLAS_NUM_THREADS", text, 1);
    setenv("OMP_NUM_THREADS", text, 1);
    *blas = (Blas){0};
    for (size_t i = 0; i < sizeof(library_names) / sizeof(char *); i++) {
        blas->handle = dlopen(library_names[i], RTLD_NOW | RTLD_LOCAL);
        if (blas->handle)
            break;
    }
    if (!blas->handle)
        return status_error(STATUS_ENVIRONMENT,
                            "cannot open OpenBLAS (%s); install libopenblas0",
                            dlerror());
    *(void **)&blas->sgemm = dlsym(blas->handle, "cblas_sgemm");
    if (!blas->sgemm)
        return status_error(STATUS_ENVIRONMENT, "%s", dlerror());
    return take_packing_memory(blas, threads);
}

void blas_close(Blas *blas)
{
    if (blas->handle)
        dlclose(blas->handle);
    *blas = (Blas){0};
}

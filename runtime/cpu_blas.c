/* OpenBLAS, opened when the stage has a matrix product. */
#include "runtime/cpu_library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const library_names[] = {"libopenblas.so.0",
                                            "libopenblas.so", "libcblas.so.3"};

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
    return status_ok();
}

void blas_close(Blas *blas)
{
    if (blas->handle)
        dlclose(blas->handle);
    *blas = (Blas){0};
}

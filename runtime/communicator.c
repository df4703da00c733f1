/* Which communicator a job gets, and agreeing on errors.
 *
 * MPI's families differ in their binary interface, so each has its own
 * compilation of mpi_communicator.c.  The launcher leaves its mark in the
 * environment; the library that is then opened must say that it is of the same
 * family.
 */
#include "runtime/communicator.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

typedef struct Family {
    const char *name;
    const char *marks[3];     /* environment variables of its launchers */
    const char *libraries[3]; /* file names to try */
    const char *version;      /* what MPI_Get_library_version contains */
    Status (*open)(Communicator *out, void *library);
} Family;

static const Family families[] = {
    {"Open MPI",
     {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", NULL},
     {"libmpi.so.40", "libmpi.so", NULL},
     "Open MPI",
     mpi_communicator_open_openmpi},
    {"MPICH",
     {"PMI_SIZE", "PMI_RANK", "PMI_FD"},
     {"libmpich.so.12", "libmpi.so.12", "libmpi.so"},
     "MPICH",
     mpi_communicator_open_mpich},
};

static const Family *launcher_family(void)
{
    for (size_t f = 0; f < sizeof(families) / sizeof(Family); f++)
        for (size_t i = 0; i < 3 && families[f].marks[i]; i++)
            if (getenv(families[f].marks[i]))
                return &families[f];
    return NULL;
}

/* True when the opened library calls itself a member of the family. */
static bool is_of_family(void *library, const Family *family)
{
    enum { VERSION_MAX = 8192 }; /* both families' maxima are below */
    int (*version)(char *, int *);
    *(void **)&version = dlsym(library, "MPI_Get_library_version");
    char *text = calloc(1, VERSION_MAX);
    int length = 0;
    bool is = version && text && version(text, &length) == 0 &&
              strstr(text, family->version);
    free(text);
    return is;
}

static Status open_family(Communicator *out, const Family *family)
{
    bool opened_any = false;
    for (size_t i = 0; i < 3 && family->libraries[i]; i++) {
        void *library = dlopen(family->libraries[i], RTLD_NOW | RTLD_GLOBAL);
        if (!library)
            continue;
        opened_any = true;
        if (is_of_family(library, family))
            return family->open(out, library);
        dlclose(library);
    }
    return status_error(
        STATUS_ENVIRONMENT,
        opened_any ? "the launcher is %s's but the MPI library found is of "
                     "another family; set LD_LIBRARY_PATH to %s's"
                   : "started by %s's launcher but its library (%s) cannot "
                     "be opened; install it or set LD_LIBRARY_PATH",
        family->name, opened_any ? family->name : family->libraries[0]);
}

Status communicator_open(Communicator *out)
{
    const Family *family = launcher_family();
    return family ? open_family(out, family) : single_communicator_open(out);
}

Status communicator_agree(Communicator *c, Status status)
{
    if (c->size == 1)
        return status;
    int32_t mine = (int32_t)status.code;
    int32_t *codes = calloc((size_t)c->size, sizeof(int32_t));
    if (!codes)
        return status_error(STATUS_ENVIRONMENT, "out of memory");
    Status moved =
        c->interface->all_gather(c, GROUP_WORLD, &mine, codes, sizeof(mine));
    int64_t first = 0, failed = 0;
    for (int64_t r = c->size - 1; r >= 0; r--) {
        if (codes[r]) {
            first = r;
            failed++;
        }
    }
    free(codes);
    TRY(moved);
    if (failed == 0)
        return status;
    TRY(c->interface->broadcast(c, GROUP_WORLD, first, &status,
                                sizeof(status)));
    if (failed < c->size)
        return status_context(status, "rank %lld", (long long)first);
    return status;
}

/* The communicator over MPI.
 *
 * One source, compiled once per family with that family's mpi.h
 * (DNNC_MPI_FAMILY is openmpi or mpich): handles are pointers in Open MPI and
 * integers in MPICH, so an object file fits one family only.  The library is
 * opened at run time; functions come from its symbol table, with the types
 * that the header declares.
 */
#include "runtime/communicator.h"

#include <assert.h>
#include <dlfcn.h>
#include <limits.h>
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

#define PASTE_(a, b)  a##b
#define PASTE(a, b)   PASTE_(a, b)
#define OPEN_FUNCTION PASTE(mpi_communicator_open_, DNNC_MPI_FAMILY)

#define MPI_FUNCTIONS(X)   \
    X(Abort)               \
    X(Allgather)           \
    X(Alltoall)            \
    X(Barrier)             \
    X(Bcast)               \
    X(Comm_create_group)   \
    X(Comm_free)           \
    X(Comm_group)          \
    X(Comm_rank)           \
    X(Comm_set_errhandler) \
    X(Comm_size)           \
    X(Error_string)        \
    X(Finalize)            \
    X(Get_library_version) \
    X(Group_free)          \
    X(Group_incl)          \
    X(Init_thread)         \
    X(Iprobe)              \
    X(Irecv)               \
    X(Isend)               \
    X(Wait)

typedef struct Mpi {
#define FUNCTION_POINTER(name) __typeof__(&MPI_##name) name;
    MPI_FUNCTIONS(FUNCTION_POINTER)
#undef FUNCTION_POINTER
    MPI_Datatype byte, word; /* word: 4 bytes */
    MPI_Errhandler errors_return;
} Mpi;

enum { REQUESTS_MAX = 4096 };

typedef struct MpiState {
    void *library;
    Mpi mpi;
    bool is_initialized;
    int32_t n_groups;
    MPI_Comm groups[GROUPS_MAX];
    int32_t n_free;
    int32_t free_requests[REQUESTS_MAX];
    MPI_Request requests[REQUESTS_MAX];
} MpiState;

static const Mpi *mpi_of(Communicator *c)
{
    return &((MpiState *)c->state)->mpi;
}

static MPI_Comm group_of(Communicator *c, int32_t group)
{
    const MpiState *state = c->state;
    assert(group >= 0 && group < state->n_groups);
    return state->groups[group];
}

static Status check(Communicator *c, int error, const char *what)
{
    if (error == MPI_SUCCESS)
        return status_ok();
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    mpi_of(c)->Error_string(error, text, &length);
    return status_error(STATUS_ENVIRONMENT, "MPI: %s failed: %s", what, text);
}

/* `bytes` as a count of a datatype: MPI counts are ints. */
typedef struct Extent {
    MPI_Datatype type;
    int count;
} Extent;

static Status extent_of(Communicator *c, int64_t bytes, Extent *out)
{
    const Mpi *mpi = mpi_of(c);
    int64_t size = bytes % 4 == 0 ? 4 : 1;
    if (bytes / size > INT_MAX)
        return status_error(STATUS_ENVIRONMENT,
                            "a message of %lld bytes is beyond MPI's limit",
                            (long long)bytes);
    *out = (Extent){size == 4 ? mpi->word : mpi->byte, (int)(bytes / size)};
    return status_ok();
}

static Status group(Communicator *c, const int64_t *ranks, int64_t n,
                    int32_t tag, int32_t *out)
{
    MpiState *state = c->state;
    const Mpi *mpi = &state->mpi;
    assert(state->n_groups < GROUPS_MAX);
    int *members = calloc((size_t)n, sizeof(int));
    if (!members)
        return status_error(STATUS_ENVIRONMENT, "out of memory");
    for (int64_t i = 0; i < n; i++)
        members[i] = (int)ranks[i];
    MPI_Group world, subset;
    int error = mpi->Comm_group(state->groups[GROUP_WORLD], &world);
    if (!error)
        error = mpi->Group_incl(world, (int)n, members, &subset);
    free(members);
    if (!error)
        error = mpi->Comm_create_group(state->groups[GROUP_WORLD], subset, tag,
                                       &state->groups[state->n_groups]);
    TRY(check(c, error, "making a group"));
    mpi->Group_free(&subset);
    mpi->Group_free(&world);
    *out = state->n_groups++;
    return status_ok();
}

static Status all_gather(Communicator *c, int32_t of, const void *from,
                         void *to, int64_t bytes)
{
    Extent e;
    TRY(extent_of(c, bytes, &e));
    return check(c,
                 mpi_of(c)->Allgather(from, e.count, e.type, to, e.count,
                                      e.type, group_of(c, of)),
                 "all-gather");
}

static Status all_to_all(Communicator *c, int32_t of, const void *from,
                         void *to, int64_t bytes)
{
    Extent e;
    TRY(extent_of(c, bytes, &e));
    return check(c,
                 mpi_of(c)->Alltoall(from, e.count, e.type, to, e.count, e.type,
                                     group_of(c, of)),
                 "all-to-all");
}

static Status broadcast(Communicator *c, int32_t of, int64_t root, void *data,
                        int64_t bytes)
{
    Extent e;
    TRY(extent_of(c, bytes, &e));
    return check(
        c, mpi_of(c)->Bcast(data, e.count, e.type, (int)root, group_of(c, of)),
        "broadcast");
}

static Status barrier(Communicator *c, int32_t of)
{
    return check(c, mpi_of(c)->Barrier(group_of(c, of)), "barrier");
}

static Status take_request(MpiState *state, int32_t *request)
{
    if (state->n_free == 0)
        return status_error(STATUS_ENVIRONMENT,
                            "more than %d messages under way", REQUESTS_MAX);
    *request = state->free_requests[--state->n_free];
    return status_ok();
}

static Status send_data(Communicator *c, int64_t rank, int32_t tag,
                        const void *data, int64_t bytes, int32_t *request)
{
    MpiState *state = c->state;
    Extent e;
    TRY(extent_of(c, bytes, &e));
    TRY(take_request(state, request));
    return check(c,
                 state->mpi.Isend(data, e.count, e.type, (int)rank, tag,
                                  state->groups[GROUP_WORLD],
                                  &state->requests[*request]),
                 "send");
}

static Status receive_data(Communicator *c, int64_t rank, int32_t tag,
                           void *data, int64_t bytes, int32_t *request)
{
    MpiState *state = c->state;
    Extent e;
    TRY(extent_of(c, bytes, &e));
    TRY(take_request(state, request));
    return check(c,
                 state->mpi.Irecv(data, e.count, e.type, (int)rank, tag,
                                  state->groups[GROUP_WORLD],
                                  &state->requests[*request]),
                 "receive");
}

static Status wait_request(Communicator *c, int32_t *request)
{
    MpiState *state = c->state;
    if (*request == REQUEST_NONE)
        return status_ok();
    MPI_Status ignored;
    int error = state->mpi.Wait(&state->requests[*request], &ignored);
    state->free_requests[state->n_free++] = *request;
    *request = REQUEST_NONE;
    return check(c, error, "waiting for a message");
}

/* A probe that finds nothing makes every implementation look after its
 * messages; this rank never sends itself that tag. */
static Status progress(Communicator *c)
{
    enum { NO_MESSAGES_TAG = 32767 };
    MpiState *state = c->state;
    int found;
    MPI_Status ignored;
    if (state->n_free == REQUESTS_MAX)
        return status_ok();
    return check(c,
                 state->mpi.Iprobe((int)c->rank, NO_MESSAGES_TAG,
                                   state->groups[GROUP_WORLD], &found,
                                   &ignored),
                 "probing");
}

static void end(Communicator *c, int code)
{
    MpiState *state = c->state;
    state->mpi.Abort(state->groups[GROUP_WORLD], code);
    _Exit(code);
}

static void close_mpi(Communicator *c)
{
    MpiState *state = c->state;
    if (!state)
        return;
    for (int32_t g = 1; g < state->n_groups; g++)
        state->mpi.Comm_free(&state->groups[g]);
    if (state->is_initialized)
        state->mpi.Finalize();
    /* The library stays open: it may have left handlers behind. */
    free(state);
    *c = (Communicator){0};
}

static const CommunicatorInterface mpi_interface = {
    .group = group,
    .all_gather = all_gather,
    .all_to_all = all_to_all,
    .broadcast = broadcast,
    .barrier = barrier,
    .send = send_data,
    .receive = receive_data,
    .wait = wait_request,
    .progress = progress,
    .abort = end,
    .close = close_mpi,
};

#ifdef OPEN_MPI
/* The header's constants are addresses of the library's objects. */
static Status find_constants(MpiState *state)
{
    const char *const names[] = {"ompi_mpi_comm_world", "ompi_mpi_byte",
                                 "ompi_mpi_float", "ompi_mpi_errors_return"};
    void *found[4];
    for (int i = 0; i < 4; i++) {
        found[i] = dlsym(state->library, names[i]);
        if (!found[i])
            return status_error(STATUS_ENVIRONMENT, "MPI: %s", dlerror());
    }
    state->groups[GROUP_WORLD] = found[0];
    state->mpi.byte = found[1];
    state->mpi.word = found[2];
    state->mpi.errors_return = found[3];
    return status_ok();
}
#else
static Status find_constants(MpiState *state)
{
    state->groups[GROUP_WORLD] = MPI_COMM_WORLD;
    state->mpi.byte = MPI_BYTE;
    state->mpi.word = MPI_FLOAT;
    state->mpi.errors_return = MPI_ERRORS_RETURN;
    return status_ok();
}
#endif

static Status find_functions(MpiState *state)
{
#define FUNCTION_LOAD(name)                                           \
    *(void **)&state->mpi.name = dlsym(state->library, "MPI_" #name); \
    if (!state->mpi.name)                                             \
        return status_error(STATUS_ENVIRONMENT, "MPI: %s", dlerror());
    MPI_FUNCTIONS(FUNCTION_LOAD)
#undef FUNCTION_LOAD
    return status_ok();
}

/* The first line of the library's description of itself. */
static void name_library(Communicator *c)
{
    char *text = calloc(1, MPI_MAX_LIBRARY_VERSION_STRING);
    int length = 0;
    if (text && mpi_of(c)->Get_library_version(text, &length) == MPI_SUCCESS) {
        size_t end_of_line = strcspn(text, "\n,");
        if (end_of_line >= sizeof(c->name))
            end_of_line = sizeof(c->name) - 1;
        memcpy(c->name, text, end_of_line);
    }
    free(text);
}

static Status start(Communicator *c)
{
    MpiState *state = c->state;
    TRY(find_functions(state));
    TRY(find_constants(state));
    int provided = 0, rank = 0, size = 0;
    TRY(check(
        c, state->mpi.Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided),
        "starting"));
    state->is_initialized = true;
    MPI_Comm world = state->groups[GROUP_WORLD];
    TRY(check(c,
              state->mpi.Comm_set_errhandler(world, state->mpi.errors_return),
              "setting the error handler"));
    TRY(check(c, state->mpi.Comm_rank(world, &rank), "finding the rank"));
    TRY(check(c, state->mpi.Comm_size(world, &size), "finding the size"));
    c->rank = rank;
    c->size = size;
    name_library(c);
    return status_ok();
}

Status OPEN_FUNCTION(Communicator *out, void *library)
{
    MpiState *state = calloc(1, sizeof(MpiState));
    if (!state)
        return status_error(STATUS_ENVIRONMENT, "out of memory");
    state->library = library;
    state->n_groups = 1;
    state->n_free = REQUESTS_MAX;
    for (int32_t i = 0; i < REQUESTS_MAX; i++)
        state->free_requests[i] = REQUESTS_MAX - 1 - i;
    *out = (Communicator){.interface = &mpi_interface, .state = state};
    Status status = start(out);
    if (status_failed(&status))
        close_mpi(out);
    return status;
}

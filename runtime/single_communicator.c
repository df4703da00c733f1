/* The communicator of a lone process: every group is this rank. */
#include "runtime/communicator.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static Status group(Communicator *c, const int64_t *ranks, int64_t n,
                    int32_t tag, int32_t *out)
{
    (void)c, (void)tag;
    assert(n == 1 && ranks[0] == 0);
    *out = GROUP_WORLD;
    return status_ok();
}

static Status move(Communicator *c, int32_t of, const void *from, void *to,
                   int64_t bytes)
{
    (void)c, (void)of;
    if (from != to)
        memcpy(to, from, (size_t)bytes);
    return status_ok();
}

static Status broadcast(Communicator *c, int32_t of, int64_t root, void *data,
                        int64_t bytes)
{
    (void)c, (void)of, (void)root, (void)data, (void)bytes;
    return status_ok();
}

static Status barrier(Communicator *c, int32_t of)
{
    (void)c, (void)of;
    return status_ok();
}

static Status no_peer(int64_t rank)
{
    return status_error(STATUS_ENVIRONMENT, "a lone process has no peer %lld",
                        (long long)rank);
}

static Status send_data(Communicator *c, int64_t rank, int32_t tag,
                        const void *data, int64_t bytes, int32_t *request)
{
    (void)c, (void)tag, (void)data, (void)bytes, (void)request;
    return no_peer(rank);
}

static Status receive_data(Communicator *c, int64_t rank, int32_t tag,
                           void *data, int64_t bytes, int32_t *request)
{
    (void)c, (void)tag, (void)data, (void)bytes, (void)request;
    return no_peer(rank);
}

static Status wait_request(Communicator *c, int32_t *request)
{
    (void)c;
    *request = REQUEST_NONE;
    return status_ok();
}

static Status progress(Communicator *c)
{
    (void)c;
    return status_ok();
}

static void end(Communicator *c, int code)
{
    (void)c;
    _Exit(code);
}

static void close_single(Communicator *c)
{
    *c = (Communicator){0};
}

static const CommunicatorInterface single_interface = {
    .group = group,
    .all_gather = move,
    .all_to_all = move,
    .broadcast = broadcast,
    .barrier = barrier,
    .send = send_data,
    .receive = receive_data,
    .wait = wait_request,
    .progress = progress,
    .abort = end,
    .close = close_single,
};

Status single_communicator_open(Communicator *out)
{
    *out = (Communicator){
        .interface = &single_interface, .name = "one process", .size = 1};
    return status_ok();
}

/* Memory left on a host, asked before it is taken.
 *
 * The system grants more address space than it has memory and kills a process
 * that uses it, so a refusal must come before.
 */
#include "runtime/memory_check.h"

#include "support/checked.h"
#include "support/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The number in a file of one number; -1 when there is none ("max"). */
static int64_t read_number(const char *path)
{
    long long value = -1;
    FILE *file = fopen(path, "r");
    if (!file)
        return -1;
    if (fscanf(file, "%lld", &value) != 1)
        value = -1;
    fclose(file);
    return value;
}

/* MemAvailable of /proc/meminfo in bytes, -1 when it is not there. */
static int64_t kernel_available(void)
{
    char line[128];
    long long kilobytes = -1;
    FILE *file = fopen("/proc/meminfo", "r");
    if (!file)
        return -1;
    while (kilobytes < 0 && fgets(line, sizeof(line), file))
        if (sscanf(line, "MemAvailable: %lld kB", &kilobytes) != 1)
            kilobytes = -1;
    fclose(file);
    return kilobytes < 0 ? -1 : kilobytes * 1024;
}

/* What the control group (version 2) leaves, -1 without a limit. */
static int64_t group_available(void)
{
    int64_t most = read_number("/sys/fs/cgroup/memory.max");
    int64_t used = read_number("/sys/fs/cgroup/memory.current");
    return most < 0 || used < 0 ? -1 : max_i64(most - used, 0);
}

static int64_t available_bytes(void)
{
    int64_t kernel = kernel_available(), group = group_available();
    if (kernel < 0 || group < 0)
        return max_i64(kernel, group);
    return min_i64(kernel, group);
}

/* What a rank tells the others. */
typedef struct HostNeed {
    uint64_t host;
    int64_t bytes;
} HostNeed;

Status memory_check(Communicator *c, int64_t bytes)
{
    char name[256] = "";
    gethostname(name, sizeof(name) - 1);
    HostNeed mine = {str_hash(str_from(name)), bytes};
    HostNeed *all = calloc((size_t)c->size, sizeof(HostNeed));
    if (!all)
        return status_error(STATUS_ENVIRONMENT, "out of memory");
    Status status =
        c->interface->all_gather(c, GROUP_WORLD, &mine, all, sizeof(mine));
    int64_t needed = 0, available = available_bytes();
    for (int64_t r = 0; r < c->size; r++)
        if (all[r].host == mine.host)
            needed += all[r].bytes;
    free(all);
    TRY(status);
    if (available >= 0 && needed > available)
        status = status_error(STATUS_ENVIRONMENT,
                              "the plan needs %lld bytes on host %s, which "
                              "has %lld left",
                              (long long)needed, name, (long long)available);
    return communicator_agree(c, status);
}

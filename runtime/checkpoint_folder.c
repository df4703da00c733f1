/* The folder of checkpoints: names, listing, removing. */
#include "runtime/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void checkpoint_path(char out[CHECKPOINT_PATH_MAX], const char *folder,
                     int64_t step, bool is_temporary)
{
    snprintf(out, CHECKPOINT_PATH_MAX, "%s/step-%lld%s", folder,
             (long long)step, is_temporary ? ".tmp" : "");
}

/* The step of "step-N" (or "step-N.tmp" when `is_temporary`), else -1. */
static int64_t step_of_name(const char *name, bool is_temporary)
{
    if (strncmp(name, "step-", 5) != 0 || name[5] < '0' || name[5] > '9')
        return -1;
    char *end;
    errno = 0;
    long long step = strtoll(name + 5, &end, 10);
    if (errno || strcmp(end, is_temporary ? ".tmp" : "") != 0)
        return -1;
    return step;
}

/* Keeps the list ascending; the smallest falls out when it is full. */
static void insert_step(int64_t *steps, int64_t *count, int64_t capacity,
                        int64_t step)
{
    if (*count == capacity) {
        if (step < steps[0])
            return;
        memmove(steps, steps + 1, (size_t)(--*count) * sizeof(int64_t));
    }
    int64_t at = (*count)++;
    while (at > 0 && steps[at - 1] > step) {
        steps[at] = steps[at - 1];
        at--;
    }
    steps[at] = step;
}

int64_t checkpoint_list(const char *folder, int64_t *steps, int64_t capacity)
{
    DIR *directory = opendir(folder);
    if (!directory)
        return 0;
    int64_t count = 0;
    struct dirent *entry;
    while ((entry = readdir(directory))) {
        int64_t step = step_of_name(entry->d_name, false);
        char path[CHECKPOINT_PATH_MAX + 16];
        if (step < 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s/manifest.json", folder,
                 entry->d_name);
        if (access(path, F_OK) == 0)
            insert_step(steps, &count, capacity, step);
    }
    closedir(directory);
    return count;
}

void checkpoint_remove(const char *path)
{
    DIR *directory = opendir(path);
    if (!directory)
        return;
    struct dirent *entry;
    int descriptor = dirfd(directory);
    while (descriptor >= 0 && (entry = readdir(directory)))
        (void)unlinkat(descriptor, entry->d_name, 0);
    closedir(directory);
    (void)rmdir(path);
}

void checkpoint_retire(const char *folder, int64_t step)
{
    char path[CHECKPOINT_PATH_MAX], temporary[CHECKPOINT_PATH_MAX];
    checkpoint_path(path, folder, step, false);
    checkpoint_path(temporary, folder, step, true);
    if (rename(path, temporary) == 0)
        checkpoint_remove(temporary);
}

/* Removes what saves that were cut off left behind. */
static void remove_unfinished(const char *folder)
{
    DIR *directory = opendir(folder);
    if (!directory)
        return;
    struct dirent *entry;
    while ((entry = readdir(directory))) {
        int64_t step = step_of_name(entry->d_name, true);
        char path[CHECKPOINT_PATH_MAX];
        if (step < 0)
            continue;
        checkpoint_path(path, folder, step, true);
        checkpoint_remove(path);
    }
    closedir(directory);
}

void checkpoint_prune(const char *folder, int64_t keep)
{
    enum { LISTED_MAX = 1024 };
    int64_t steps[LISTED_MAX];
    remove_unfinished(folder);
    int64_t count = keep > 0 ? checkpoint_list(folder, steps, LISTED_MAX) : 0;
    for (int64_t i = 0; i + keep < count; i++)
        checkpoint_retire(folder, steps[i]);
}

Status folder_sync(const char *folder)
{
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0 || fsync(descriptor) != 0) {
        Status status = status_error(STATUS_ENVIRONMENT, "cannot sync '%s': %s",
                                     folder, strerror(errno));
        if (descriptor >= 0)
            close(descriptor);
        return status;
    }
    close(descriptor);
    return status_ok();
}

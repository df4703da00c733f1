/* Temporary folder: made by mkdtemp, removed whole. */
#include "driver/temporary.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Status temporary_init(TemporaryFolder *folder, const char *keep)
{
    folder->kept = keep != NULL;
    const char *parent = getenv("TMPDIR");
    int length =
        keep ? snprintf(folder->path, sizeof folder->path, "%s", keep)
             : snprintf(folder->path, sizeof folder->path, "%s/dnnc-XXXXXX",
                        parent && *parent ? parent : "/tmp");
    if (length < 0 || length >= TEMPORARY_PATH_MAX)
        return status_error(STATUS_USAGE, "the path of the folder for "
                                          "temporary files is too long");
    bool made = keep ? mkdir(keep, 0777) == 0 || errno == EEXIST
                     : mkdtemp(folder->path) != NULL;
    if (!made)
        return status_error(STATUS_ENVIRONMENT,
                            "cannot make the folder '%s': %s", folder->path,
                            strerror(errno));
    return status_ok();
}

static int remove_entry(const char *path, const struct stat *facts, int type,
                        struct FTW *place)
{
    (void)facts;
    (void)type;
    (void)place;
    return remove(path);
}

void temporary_deinit(TemporaryFolder *folder)
{
    enum { DESCRIPTORS = 8 };
    if (!folder->kept)
        nftw(folder->path, remove_entry, DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
}

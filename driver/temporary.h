/* Temporary folder: where a compilation keeps its intermediate files. */
#ifndef DNNC_DRIVER_TEMPORARY_H
#define DNNC_DRIVER_TEMPORARY_H

#include "support/status.h"

enum { TEMPORARY_PATH_MAX = 4096 };

typedef struct TemporaryFolder {
    char path[TEMPORARY_PATH_MAX];
    bool kept; /* the user's own: stays */
} TemporaryFolder;

/* The folder `keep` (made if it is missing) or, when NULL, a new one under
 * $TMPDIR that temporary_deinit removes with all that is in it. */
Status temporary_init(TemporaryFolder *folder, const char *keep) MUST_USE;
void temporary_deinit(TemporaryFolder *folder);

#endif

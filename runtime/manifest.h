/* Manifest: what a checkpoint says of itself in manifest.json.
 *
 * The last file of a checkpoint to be written and the first to be read, with
 * suspicion: a folder can come from anywhere.
 */
#ifndef DNNC_RUNTIME_MANIFEST_H
#define DNNC_RUNTIME_MANIFEST_H

#include "support/status.h"
#include "support/text.h"

#include <stdint.h>

/* Where a run stands. */
typedef struct CheckpointState {
    int64_t step;    /* steps finished; -1: no checkpoint */
    int64_t samples; /* consumed */
    uint64_t seed;
} CheckpointState;

typedef struct Manifest {
    CheckpointState state;
    struct json_t *root; /* the manifest's; NULL: closed */
} Manifest;

/* Reads FOLDER/step-STEP/manifest.json.  After an error *out is closed. */
Status manifest_read(Manifest *out, const char *folder, int64_t step) MUST_USE;
/* The same from a text; `path` is for errors. */
Status manifest_parse(Manifest *out, Str text, const char *path,
                      int64_t step) MUST_USE;
void manifest_close(Manifest *manifest);

/* The length that a file of the checkpoint must have; -1 when not listed. */
int64_t manifest_file_bytes(const Manifest *manifest, const char *file);
/* False when there is no digest of a tensor of that name. */
bool manifest_digest(const Manifest *manifest, Str tensor, uint64_t *out);

/* The status of a checkpoint's file that is not as it was written. */
Status checkpoint_damaged(const char *path, const char *what) MUST_USE;

#endif

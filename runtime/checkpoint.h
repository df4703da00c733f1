/* Checkpoints: a run's whole state in files that any plan can go on from.
 *
 *     DIR/step-300/manifest.json          step, samples, seed, sizes, digests
 *     DIR/step-300/model.safetensors      parameters and model state
 *     DIR/step-300/optimizer.safetensors  moments
 *
 * Tensors are whole: every rank writes the byte ranges of its own blocks, and
 * no rank holds a tensor that it does not own.  Writing goes to
 * step-300.tmp; after every rank has fsynced, rank 0 writes the manifest and
 * renames, so a checkpoint exists wholly or not at all.  Digests
 * (runtime/variable_block.h) are sums over elements: any sharding can check
 * them while it reads.
 *
 * All functions are collective over all ranks.
 */
#ifndef DNNC_RUNTIME_CHECKPOINT_H
#define DNNC_RUNTIME_CHECKPOINT_H

#include "runtime/manifest.h"
#include "runtime/safetensors.h"
#include "runtime/worker.h"

enum { CHECKPOINT_MODEL, CHECKPOINT_OPTIMIZER, CHECKPOINT_FILES };
extern const char *const checkpoint_file_names[CHECKPOINT_FILES];
enum { CHECKPOINT_PATH_MAX = 4096 };

/* One file of every checkpoint, laid out once. */
typedef struct CheckpointFile {
    Str header;
    int64_t bytes;
} CheckpointFile;

typedef struct Checkpoints {
    Worker *worker;
    const char *folder;
    int64_t keep;   /* newest kept; 0: all */
    int64_t newest; /* step of the newest good one; -1: none */
    CheckpointFile files[CHECKPOINT_FILES];
    int64_t *file_begin;   /* by variable: where in its file */
    uint64_t *digests;     /* by variable; scratch */
    uint64_t *all_digests; /* by rank, then variable; scratch */
} Checkpoints;

/* Prepares `folder` (made if absent) and proves that all ranks see it.  Unless
 * `resume`, a folder that already holds checkpoints is refused. */
Status checkpoints_init(Checkpoints *c, Worker *worker, const char *folder,
                        int64_t keep, bool resume, Arena *arena) MUST_USE;

/* The newest complete checkpoint of a folder: reads its manifest. */
Status checkpoint_find(Communicator *communicator, const char *folder,
                       CheckpointState *out) MUST_USE;

/* Writes one.  On an error no trace of it is left and older ones are as they
 * were; every rank gets the same error. */
Status checkpoint_save(Checkpoints *c, const CheckpointState *state) MUST_USE;

/* Reads every variable's blocks of the checkpoint of `step` into the device,
 * checking digests. */
Status checkpoint_load(Checkpoints *c, int64_t step, Arena scratch) MUST_USE;

/* Reads the parameters (and the model's state, where the file has it) from any
 * safetensors file with their names. */
Status weights_load(Worker *worker, const char *path, Arena scratch) MUST_USE;

/* -- the folder: runtime/checkpoint_folder.c ------------------------------ */

/* "FOLDER/step-N", "FOLDER/step-N.tmp". */
void checkpoint_path(char out[CHECKPOINT_PATH_MAX], const char *folder,
                     int64_t step, bool is_temporary);
/* Steps of the complete checkpoints, ascending, at most `capacity` (the
 * newest); returns how many. */
int64_t checkpoint_list(const char *folder, int64_t *steps, int64_t capacity);
/* Removes a folder and the files that it holds. */
void checkpoint_remove(const char *path);
/* Removes the checkpoint of a step: first its name, so that what a crash leaves
 * of it is no checkpoint. */
void checkpoint_retire(const char *folder, int64_t step);
/* Removes all but the `keep` newest, and what unfinished ones left behind. */
void checkpoint_prune(const char *folder, int64_t keep);
/* Makes a rename or a new file in `folder` durable. */
Status folder_sync(const char *folder) MUST_USE;

#endif

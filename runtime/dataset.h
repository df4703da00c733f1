/* Dataset: which numbers of which file each sample of each input is.
 *
 * An input's file is either *rows* (its first dimension counts samples) or a
 * *stream* (one long line of tokens, cut into windows as long as a sample).  A
 * shifted input reads the same row or window some elements later: a row has as
 * many elements more.  A dataset is a
 * range of samples; training and validation are two ranges of the same files or
 * two sets of files.
 *
 * The global batch at position p (samples consumed) is samples p, p + 1, ... of
 * the endless sequence of shuffled epochs: it depends on the seed and on p, not
 * on the plan.  In each epoch a stream's windows begin at another phase, so
 * that a model does not always see the same cuts.
 */
#ifndef DNNC_RUNTIME_DATASET_H
#define DNNC_RUNTIME_DATASET_H

#include "ir/program.h"
#include "runtime/data_file.h"
#include "runtime/worker.h"

enum { DATASET_INPUTS_MAX = 32 };

typedef struct Dataset {
    const Program *program;
    int64_t n_samples;
    uint64_t seed;
    bool is_shuffled;
    struct DatasetColumn {
        const DataFile *file;
        bool is_stream;
        int64_t first;  /* element of sample 0 */
        int64_t length; /* elements from one sample to the next */
        int64_t spare;  /* phases of a stream: [0, spare] */
    } columns[DATASET_INPUTS_MAX];
} Dataset;

typedef struct DataFiles {
    int64_t count;
    DataFile files[DATASET_INPUTS_MAX];
    int32_t of_input[DATASET_INPUTS_MAX]; /* -1: not bound */
} DataFiles;

/* Opens "FILE" (for a model with one input beside shifted ones) or
 * "INPUT=FILE" bindings. */
Status data_files_open(DataFiles *out, const Program *program,
                       const char *const *bindings, int64_t count) MUST_USE;
void data_files_close(DataFiles *files);

/* The files' samples as two ranges: the last `held_out` (a fraction in [0, 1))
 * are `last` (may be NULL), the others `first`.  Fails when shapes do not fit
 * or `first` has less than one batch. */
Status dataset_split(const Program *program, const DataFiles *files,
                     uint64_t seed, double held_out, Dataset *first,
                     Dataset *last) MUST_USE;

/* A global batch: samples [position, position + count) of the sequence;
 * samples beyond `count` are zero. */
typedef struct Batch {
    const Dataset *dataset;
    int64_t position, count;
} Batch;
InputSource batch_source(Batch *batch);

#endif

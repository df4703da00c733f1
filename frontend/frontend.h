/* Frontend: from the text of a model or a cluster to what the passes read.
 *
 * Sources are added to the Diagnostics by the caller (diagnostics_add_source);
 * all results live in `arena` and may borrow from the source texts.  Each
 * function reports the user's mistakes and returns false when there were any.
 */
#ifndef DNNC_FRONTEND_FRONTEND_H
#define DNNC_FRONTEND_FRONTEND_H

#include "ir/graph.h"
#include "ir/mesh.h"
#include "ir/training.h"

/* One `--set name=expression`; `text` is what follows --set. */
typedef struct Setting {
    Str text;
} Setting;

typedef struct Model {
    Str name;
    GraphSet graphs;
    Training training;
} Model;

/* Reads the model of source `source`.  The three graphs share their variable
 * and input tables. */
bool frontend_model(Arena *arena, int32_t source, const Setting *settings,
                    int64_t n_settings, Diagnostics *diagnostics, Model *out);

/* Reads the cluster file of source `source`. */
bool frontend_mesh(Arena *arena, int32_t source, Diagnostics *diagnostics,
                   Mesh *out);

typedef enum SourceKind { SOURCE_MODEL, SOURCE_CLUSTER } SourceKind;

/* The text in the one layout of `dnnc fmt`: comments and line breaks stay,
 * spaces and indentation are the formatter's.  Formatting twice changes
 * nothing.  A text that does not parse is diagnosed and not formatted. */
bool frontend_format(Arena *arena, int32_t source, SourceKind kind,
                     Diagnostics *diagnostics, Str *out);

#endif

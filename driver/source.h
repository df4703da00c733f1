/* Source: what a file given on the command line is, and its settings. */
#ifndef DNNC_DRIVER_SOURCE_H
#define DNNC_DRIVER_SOURCE_H

#include "driver/option.h"
#include "frontend/frontend.h"

/* `.mesh` files are clusters, all others models. */
SourceKind source_kind(Str path);

/* An input error where the ending of `path`, .dnn or .mesh, says that it is of
 * the other kind. */
Status source_expect(const char *path, SourceKind kind) MUST_USE;

/* The `--set` arguments as the front end takes them; settings->count many. */
Setting *settings_from(Arena *arena, const OptionList *settings);

#endif

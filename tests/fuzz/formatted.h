/* Formatted: what parses is formatted to a text whose format is itself. */
#ifndef DNNC_TESTS_FUZZ_FORMATTED_H
#define DNNC_TESTS_FUZZ_FORMATTED_H

#include "frontend/frontend.h"

void check_formatted(Str text, SourceKind kind, Arena *arena);

#endif

/* Fuzz: a reader fed with any bytes.
 *
 * A fuzz program is a reader's fuzz_input, input.c, and libFuzzer or replay.c
 * in its place.  A crash, a failed assertion or a sanitizer's report is the
 * finding. */
#ifndef DNNC_TESTS_FUZZ_FUZZ_H
#define DNNC_TESTS_FUZZ_FUZZ_H

#include "support/text.h"

#include <stddef.h>

/* What each program defines: reads the bytes, checks what it promises.  Should
 * the arena be exhausted, it does not return. */
void fuzz_input(Str bytes, Arena *arena);

/* What libFuzzer and replay.c call; always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Changes `size` bytes in place into at most `max_size`; the new length.  The
 * first is libFuzzer's (or the replay's), the second a target's own, which may
 * be absent. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned int seed);

#endif

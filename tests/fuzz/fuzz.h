/* What libFuzzer (or replay.c in its place) calls: one input, which may be
 * any bytes.  Always returns 0; a crash, a failed assertion or a sanitizer's
 * report is the finding. */
#ifndef DNNC_TESTS_FUZZ_FUZZ_H
#define DNNC_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif

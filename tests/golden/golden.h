/* Golden: texts in, the compiler's answers out, compared with what is
 * committed.
 *
 *     test_X [--bless] FILE...
 *
 * A file holds cases, separated by lines "====".  A case is an input, a line
 * "----" and the expected answer.  `--bless` rewrites the answers; a person
 * reads the difference. */
#ifndef DNNC_TESTS_GOLDEN_GOLDEN_H
#define DNNC_TESTS_GOLDEN_GOLDEN_H

#include "support/text.h"

/* The answer to a case's input (NUL-terminated) in the file `name`, its folder
 * left off; {NULL, 0} when there is none, after printing why. */
typedef Str GoldenAnswer(Str name, Str input, Arena *arena, Arena scratch);

/* Runs all files of the command line; the program's exit status.  A case
 * without a line "----" is its own answer. */
int golden_main(int argc, char **argv, GoldenAnswer *answer);

/* Cuts the line at the beginning off *rest; without its newline. */
Str golden_line(Str *rest);

#endif

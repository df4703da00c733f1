/* Random text: a model in the language, statement by statement.
 *
 * Statements are drawn from templates of every built-in and library function,
 * with values and numbers drawn in their places; one that the front end
 * refuses is thrown away.  What is left is legal and mostly strange.
 */
#ifndef DNNC_TESTS_PROPERTY_RANDOM_TEXT_H
#define DNNC_TESTS_PROPERTY_RANDOM_TEXT_H

#include "frontend/frontend.h"
#include "tests/numeric/random.h"

typedef struct RandomText {
    Str text;
    Model model;     /* of `text` */
    bool continuous; /* no statement jumps: rounding stays rounding */
} RandomText;

/* About `n_statements` statements for batches of `batch` samples. */
RandomText random_text(Random *random, int32_t n_statements, int64_t batch,
                       Arena *arena);

#endif

/* Syntax error: what the parser met and what could have stood there. */
#ifndef DNNC_FRONTEND_SYNTAX_ERROR_H
#define DNNC_FRONTEND_SYNTAX_ERROR_H

#include "frontend/parse.h"

/* Diagnoses the token that was just read, at `location`.  `expected` are the
 * names of the tokens that could have come. */
void syntax_error(Parser *parser, const char *const *expected, int n,
                  Span location);

#endif

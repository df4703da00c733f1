/* Status: what went wrong in the world (a file, a peer, memory, a device).
 *
 * Returned by value and must be looked at.  The user's own mistakes in a model
 * or cluster file are diagnostics (support/diagnostic.h); our bugs are
 * assertions.
 */
#ifndef DNNC_SUPPORT_STATUS_H
#define DNNC_SUPPORT_STATUS_H

#include "support/text.h"

#include <stdbool.h>

typedef enum StatusCode {
    STATUS_OK = 0,
    STATUS_INPUT,       /* the user's input is wrong: exit status 1 */
    STATUS_USAGE,       /* the command line is wrong: exit status 2 */
    STATUS_ENVIRONMENT, /* file, memory, peer or device failed: exit 3 */
} StatusCode;

typedef struct Status {
    StatusCode code; /* also the process's exit status */
    char message[508];
} Status;

#define MUST_USE __attribute__((warn_unused_result))

static inline Status status_ok(void) { return (Status){.code = STATUS_OK}; }
static inline bool status_failed(const Status *s) { return s->code != 0; }

Status status_error(StatusCode code, const char *format, ...)
    PRINTF_LIKE(2, 3) MUST_USE;
/* Puts "context: " before the message of a failed status; an ok one stays. */
Status status_context(Status status, const char *format, ...)
    PRINTF_LIKE(2, 3) MUST_USE;

/* Returns the failed status to the caller. */
#define TRY(expression)                                                       \
    do {                                                                      \
        Status try_status_ = (expression);                                    \
        if (try_status_.code != STATUS_OK)                                    \
            return try_status_;                                               \
    } while (0)

#endif

/* Status: formatting of codes and contexts. */
#include "support/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

Status status_error(StatusCode code, const char *format, ...)
{
    Status status = {.code = code};
    va_list args;
    va_start(args, format);
    vsnprintf(status.message, sizeof status.message, format, args);
    va_end(args);
    return status;
}

Status status_context(Status status, const char *format, ...)
{
    if (status.code == STATUS_OK)
        return status;
    Status result = {.code = status.code};
    va_list args;
    va_start(args, format);
    int length =
        vsnprintf(result.message, sizeof result.message, format, args);
    va_end(args);
    size_t used = length < 0 ? 0 : strlen(result.message);
    size_t room = sizeof result.message - used;
    /* A message that does not fit is cut at its end: the context stays. */
    if (room > 2) {
        memcpy(result.message + used, ": ", 3);
        used += 2;
        size_t more = strnlen(status.message, room - 3);
        memcpy(result.message + used, status.message, more);
        result.message[used + more] = 0;
    }
    return result;
}

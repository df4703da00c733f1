/* Writing whole lines. */
#include "runtime/step_log.h"

#include "support/checked.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static Status cannot_write(const StepLog *log)
{
    return status_error(STATUS_ENVIRONMENT, "cannot write log '%s': %s",
                        log->path, strerror(errno));
}

/* Cuts off what follows the last newline. */
static Status remove_torn_line(const StepLog *log)
{
    char chunk[4096];
    off_t end = lseek(log->descriptor, 0, SEEK_END);
    for (off_t at = end; at > 0;) {
        int64_t n = min_i64((int64_t)sizeof chunk, at);
        at -= n;
        if (pread(log->descriptor, chunk, (size_t)n, at) != n)
            return cannot_write(log);
        const char *newline = memrchr(chunk, '\n', (size_t)n);
        off_t keep = newline ? at + (newline + 1 - chunk) : 0;
        if (!newline && at > 0)
            continue;
        if (keep < end && ftruncate(log->descriptor, keep) != 0)
            return cannot_write(log);
        break;
    }
    return status_ok(); /* a pipe has no end and nothing torn */
}

Status step_log_open(StepLog *log, const char *path, bool append,
                     int64_t line_bytes)
{
    /* Readable, to look at the last line; what is not, like a pipe, is not
     * looked at. */
    int how = O_CREAT | O_APPEND | O_CLOEXEC | (append ? 0 : O_TRUNC);
    *log = (StepLog){.path = path,
                     .descriptor = open(path, how | O_RDWR, 0666),
                     .capacity = line_bytes};
    if (log->descriptor < 0)
        log->descriptor = open(path, how | O_WRONLY, 0666);
    log->line = malloc((size_t)line_bytes);
    Status status = status_ok();
    if (!log->line)
        status = status_error(STATUS_ENVIRONMENT, "out of memory");
    else if (log->descriptor < 0)
        status = cannot_write(log);
    else if (append)
        status = remove_torn_line(log);
    if (status_failed(&status)) {
        Status ignored = step_log_close(log);
        (void)ignored;
    }
    return status;
}

void step_log_add(StepLog *log, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int64_t left = log->capacity - log->length;
    int n = vsnprintf(log->line + log->length, (size_t)left, format, arguments);
    va_end(arguments);
    log->length += min_i64(n < 0 ? 0 : n, left - 1);
}

/* The line in one piece, or nothing of it. */
static bool write_line(const StepLog *log)
{
    off_t before = lseek(log->descriptor, 0, SEEK_END);
    int64_t done = 0;
    while (done < log->length) {
        ssize_t n = write(log->descriptor, log->line + done,
                          (size_t)(log->length - done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += n;
    }
    if (done == log->length)
        return true;
    int error = errno;
    if (done > 0 && before >= 0 && ftruncate(log->descriptor, before) != 0)
        error = errno;
    errno = error;
    return false;
}

Status step_log_end_line(StepLog *log)
{
    step_log_add(log, "\n");
    bool written = write_line(log);
    log->length = 0;
    if (written || log->lost++ > 0)
        return status_ok();
    return cannot_write(log);
}

Status step_log_close(StepLog *log)
{
    Status status = status_ok();
    if (log->lost)
        status = status_error(STATUS_ENVIRONMENT,
                              "the log '%s' lacks %lld lines that could not "
                              "be written",
                              log->path, (long long)log->lost);
    if (log->descriptor >= 0 && close(log->descriptor) != 0 &&
        !status_failed(&status))
        status = cannot_write(log);
    free(log->line);
    *log = (StepLog){.descriptor = -1};
    return status;
}

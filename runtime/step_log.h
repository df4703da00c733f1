/* Step log: --log, a file of whole lines that outlives the process.
 *
 * A line is written by one call of the system; where that fails, on a full
 * disk, what came of it is taken back and later lines are tried again, so the
 * file holds whole lines only, whatever ends the job.
 */
#ifndef DNNC_RUNTIME_STEP_LOG_H
#define DNNC_RUNTIME_STEP_LOG_H

#include "support/status.h"

#include <stdint.h>

typedef struct StepLog {
    const char *path; /* NULL: closed */
    int descriptor;
    char *line; /* under construction */
    int64_t length, capacity;
    int64_t lost; /* lines that could not be written */
} StepLog;

/* Lines have at most `line_bytes`.  With `append` a last line that was cut off
 * by a crash is removed and writing goes on behind it; else the file is emptied.
 * `path` is borrowed. */
Status step_log_open(StepLog *log, const char *path, bool append,
                     int64_t line_bytes) MUST_USE;
/* Adds to the line under construction. */
void step_log_add(StepLog *log, const char *format, ...) PRINTF_LIKE(2, 3);
/* Ends the line and writes it.  A failure is told once and then counted. */
Status step_log_end_line(StepLog *log) MUST_USE;
/* Fails when lines are missing. */
Status step_log_close(StepLog *log) MUST_USE;

#endif

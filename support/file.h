/* Files: read whole, written beside their name and renamed.
 *
 * Nothing that existed is lost by an error: a failed write leaves the old
 * file, and no partial one.
 */
#ifndef DNNC_SUPPORT_FILE_H
#define DNNC_SUPPORT_FILE_H

#include "support/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { FILE_READ_MAX_BYTES = 1 << 28 };

/* The bytes of a regular file or pipe of at most FILE_READ_MAX_BYTES, in
 * `arena`, NUL-terminated (not counted).  "-" is standard input. */
Status file_read(Arena *arena, const char *path, Str *out) MUST_USE;

/* Whether a file can be written there: asked before long work.  It fails for a
 * folder, what is in no folder or in one that takes no files, and, unless
 * `is_special_good`, for what is no regular file (a device, a pipe). */
Status file_check_output(const char *path, bool is_special_good) MUST_USE;

/* Replaces `path` by `bytes`: writes "path.tmp-PID", fsyncs, renames; the mode
 * is 0777 or 0666 under the umask.  A symbolic link stays one; what is no
 * regular file is written as it is. */
Status file_write(const char *path, Str bytes, bool executable) MUST_USE;

#endif

/* Files: whole reads and atomic writes. */
#include "support/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads to the end, growing: the size of a pipe is not known before. */
static Status read_all(Arena *arena, int descriptor, const char *path,
                       Str *out)
{
    int64_t capacity = 1 << 16, length = 0;
    char *data = arena_new(arena, char, capacity + 1);
    for (;;) {
        ssize_t got =
            read(descriptor, data + length, (size_t)(capacity - length));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return status_error(STATUS_ENVIRONMENT, "cannot read '%s': %s",
                                path, strerror(errno));
        if (got == 0)
            break;
        length += got;
        if (length < capacity)
            continue;
        if (capacity >= FILE_READ_MAX_BYTES)
            return status_error(STATUS_INPUT,
                                "'%s' is larger than %d bytes", path,
                                FILE_READ_MAX_BYTES);
        char *grown = arena_new(arena, char, capacity * 2 + 1);
        memcpy(grown, data, (size_t)length);
        data = grown;
        capacity *= 2;
    }
    data[length] = 0;
    *out = (Str){data, length};
    return status_ok();
}

Status file_read(Arena *arena, const char *path, Str *out)
{
    bool standard_input = strcmp(path, "-") == 0;
    int descriptor =
        standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return status_error(errno == ENOENT || errno == ENOTDIR ||
                                    errno == EACCES
                                ? STATUS_INPUT
                                : STATUS_ENVIRONMENT,
                            "cannot read '%s': %s", path, strerror(errno));
    Status status = read_all(arena, descriptor, path, out);
    if (!standard_input)
        close(descriptor);
    return status;
}

static bool write_all(int descriptor, Str bytes)
{
    for (int64_t done = 0; done < bytes.length;) {
        ssize_t wrote = write(descriptor, bytes.data + done,
                              (size_t)(bytes.length - done));
        if (wrote < 0 && errno != EINTR)
            return false;
        done += wrote > 0 ? wrote : 0;
    }
    return fsync(descriptor) == 0;
}

Status file_write(const char *path, Str bytes, bool executable)
{
    char beside[4096];
    int length = snprintf(beside, sizeof beside, "%s.tmp-%ld", path,
                          (long)getpid());
    if (length < 0 || (size_t)length >= sizeof beside)
        return status_error(STATUS_USAGE, "path too long: '%s'", path);
    int descriptor = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                          executable ? 0777 : 0666);
    if (descriptor < 0)
        return status_error(STATUS_ENVIRONMENT, "cannot write '%s': %s", path,
                            strerror(errno));
    bool written = write_all(descriptor, bytes);
    int error = errno;
    written = close(descriptor) == 0 && written;
    if (written && rename(beside, path) == 0)
        return status_ok();
    error = written ? errno : error;
    unlink(beside);
    return status_error(STATUS_ENVIRONMENT, "cannot write '%s': %s", path,
                        strerror(error));
}

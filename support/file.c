/* Files: whole reads and atomic writes. */
#include "support/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether the name is wrong or the world. */
static Status cannot_read(const char *path)
{
    bool is_input = errno == ENOENT || errno == ENOTDIR || errno == EACCES ||
                    errno == EISDIR;
    return status_error(is_input ? STATUS_INPUT : STATUS_ENVIRONMENT,
                        "cannot read '%s': %s", path, strerror(errno));
}

/* Reads to the end, growing: the size of a pipe is not known before. */
static Status read_all(Arena *arena, int descriptor, const char *path, Str *out)
{
    int64_t capacity = 1 << 16, length = 0;
    char *data = arena_new(arena, char, capacity + 1);
    for (;;) {
        ssize_t got =
            read(descriptor, data + length, (size_t)(capacity - length));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cannot_read(path);
        if (got == 0)
            break;
        length += got;
        if (length < capacity)
            continue;
        if (capacity >= FILE_READ_MAX_BYTES)
            return status_error(STATUS_INPUT, "'%s' is larger than %d bytes",
                                path, FILE_READ_MAX_BYTES);
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
        return cannot_read(path);
    Status status = read_all(arena, descriptor, path, out);
    if (!standard_input)
        close(descriptor);
    return status;
}

static Status cannot_write(const char *path, int error)
{
    return status_error(STATUS_ENVIRONMENT, "cannot write '%s': %s", path,
                        strerror(error));
}

static bool write_all(int descriptor, Str bytes)
{
    for (int64_t done = 0; done < bytes.length;) {
        ssize_t wrote =
            write(descriptor, bytes.data + done, (size_t)(bytes.length - done));
        if (wrote < 0 && errno != EINTR)
            return false;
        done += wrote > 0 ? wrote : 0;
    }
    return true;
}

Status file_check_output(const char *path, bool is_special_good)
{
    struct stat about;
    if (stat(path, &about) == 0) {
        if (S_ISDIR(about.st_mode))
            return cannot_write(path, EISDIR);
        if (!S_ISREG(about.st_mode) && !is_special_good)
            return status_error(STATUS_ENVIRONMENT,
                                "cannot write '%s': it is no regular file",
                                path);
    }
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + 1 : 0;
    if (length >= sizeof folder)
        return cannot_write(path, ENAMETOOLONG);
    memcpy(folder, path, length);
    folder[length] = 0;
    if (access(slash ? folder : ".", W_OK | X_OK) != 0)
        return cannot_write(path, errno);
    return status_ok();
}

/* A device or a pipe, which a rename would replace. */
static Status write_special(const char *path, Str bytes)
{
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    if (descriptor < 0)
        return cannot_write(path, errno);
    bool written = write_all(descriptor, bytes);
    int error = errno;
    if (close(descriptor) != 0 && written)
        return cannot_write(path, errno);
    return written ? status_ok() : cannot_write(path, error);
}

/* Writes `beside` and gives it the name `path`. */
static Status replace(const char *path, const char *beside, Str bytes,
                      bool executable)
{
    int descriptor = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                          executable ? 0777 : 0666);
    if (descriptor < 0)
        return cannot_write(path, errno);
    bool written = write_all(descriptor, bytes) && fsync(descriptor) == 0;
    int error = errno;
    written = close(descriptor) == 0 && written;
    if (written && rename(beside, path) == 0)
        return status_ok();
    error = written ? errno : error;
    unlink(beside);
    return cannot_write(path, error);
}

Status file_write(const char *path, Str bytes, bool executable)
{
    char real[PATH_MAX], beside[PATH_MAX + 32];
    struct stat about;
    if (stat(path, &about) == 0 && !S_ISREG(about.st_mode))
        return write_special(path, bytes);
    if (!realpath(path, real)) {
        if (strlen(path) >= sizeof real)
            return cannot_write(path, ENAMETOOLONG);
        memcpy(real, path, strlen(path) + 1);
    }
    snprintf(beside, sizeof beside, "%s.tmp-%ld", real, (long)getpid());
    return replace(real, beside, bytes, executable);
}

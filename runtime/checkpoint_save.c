/* Writing a checkpoint: own byte ranges, digests, manifest, rename. */
#include "runtime/checkpoint.h"
#include "runtime/json_text.h"
#include "runtime/variable_block.h"
#include "support/checked.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const checkpoint_file_names[CHECKPOINT_FILES] = {
    "model.safetensors", "optimizer.safetensors"};

static Status cannot_write(const char *path)
{
    return status_error(STATUS_ENVIRONMENT, "cannot write '%s': %s", path,
                        strerror(errno));
}

static Status write_exactly(int descriptor, const char *path, const char *data,
                            int64_t bytes, int64_t at)
{
    while (bytes > 0) {
        ssize_t n = pwrite(descriptor, data, (size_t)bytes, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = ENOSPC;
        if (n <= 0)
            return cannot_write(path);
        data += n;
        at += n;
        bytes -= n;
    }
    return status_ok();
}

/* Makes `path` with these bytes at its beginning and its full length, and
 * fsyncs it. */
static Status create_file(const char *path, Str bytes, int64_t file_bytes)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor < 0)
        return cannot_write(path);
    Status status =
        write_exactly(descriptor, path, bytes.data, bytes.length, 0);
    if (!status_failed(&status) &&
        (ftruncate(descriptor, file_bytes) != 0 || fsync(descriptor) != 0))
        status = cannot_write(path);
    if (close(descriptor) != 0 && !status_failed(&status))
        status = cannot_write(path);
    return status;
}

/* -- making ready --------------------------------------------------------- */

static int32_t file_of(const ProgramVariable *v)
{
    return v->kind == VARIABLE_OPTIMIZER ? CHECKPOINT_OPTIMIZER
                                         : CHECKPOINT_MODEL;
}

/* Lays out one file and notes its variables' places. */
static void lay_out_file(Checkpoints *c, int32_t file, Arena *arena)
{
    const Program *p = c->worker->program;
    int64_t count = 0;
    SafetensorsEntry *entries =
        arena_new(arena, SafetensorsEntry, p->variables.count);
    for (int64_t i = 0; i < p->variables.count; i++) {
        const ProgramVariable *v = &p->variables.data[i];
        if (file_of(v) == file)
            entries[count++] =
                (SafetensorsEntry){.name = v->name, .type = v->type};
    }
    c->files[file].bytes =
        safetensors_layout(arena, entries, count, &c->files[file].header);
    count = 0;
    for (int64_t i = 0; i < p->variables.count; i++)
        if (file_of(&p->variables.data[i]) == file)
            c->file_begin[i] = entries[count++].file_begin;
}

static Status make_folder(const char *folder)
{
    char path[CHECKPOINT_PATH_MAX];
    snprintf(path, sizeof(path), "%s", folder);
    for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        (void)mkdir(path, 0777);
        *slash = '/';
    }
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return status_error(STATUS_ENVIRONMENT, "cannot make '%s': %s", folder,
                            strerror(errno));
    return status_ok();
}

/* Rank 0's part of the proof that all ranks see one folder. */
static Status write_probe(const char *folder, const char *probe, bool resume)
{
    TRY(make_folder(folder));
    int64_t newest;
    if (!resume && checkpoint_list(folder, &newest, 1))
        return status_error(STATUS_USAGE,
                            "'%s' already holds step-%lld; add --resume or "
                            "name another folder",
                            folder, (long long)newest);
    return create_file(probe, STR("dnnc"), 4);
}

static Status prove_folder(Communicator *c, const char *folder, bool resume)
{
    char probe[CHECKPOINT_PATH_MAX];
    int64_t identity = getpid();
    TRY(c->interface->broadcast(c, GROUP_WORLD, 0, &identity,
                                sizeof(identity)));
    snprintf(probe, sizeof(probe), "%s/.probe-%lld", folder,
             (long long)identity);
    Status status = status_ok();
    if (c->rank == 0)
        status = write_probe(folder, probe, resume);
    TRY(communicator_agree(c, status));
    if (access(probe, R_OK) != 0)
        status = status_error(STATUS_ENVIRONMENT,
                              "does not see the folder '%s' that rank 0 "
                              "writes; checkpoints need a shared file system",
                              folder);
    status = communicator_agree(c, status);
    if (c->rank == 0)
        (void)unlink(probe);
    return status;
}

Status checkpoints_init(Checkpoints *c, Worker *worker, const char *folder,
                        int64_t keep, bool resume, Arena *arena)
{
    int64_t n = worker->program->variables.count;
    *c = (Checkpoints){
        .worker = worker, .folder = folder, .keep = keep, .newest = -1};
    c->digests = arena_new(arena, uint64_t, n);
    c->all_digests = arena_new(arena, uint64_t, n * worker->communicator->size);
    c->file_begin = arena_new(arena, int64_t, n);
    for (int32_t f = 0; f < CHECKPOINT_FILES; f++)
        lay_out_file(c, f, arena);
    TRY(prove_folder(worker->communicator, folder, resume));
    if (checkpoint_list(folder, &c->newest, 1) == 0)
        c->newest = -1;
    return status_ok();
}

/* -- own blocks ----------------------------------------------------------- */

/* Writing one block of one variable. */
typedef struct Writing {
    Worker *worker;
    const ProgramVariable *variable;
    const VariableBlock *block;
    int descriptor;
    const char *path;
    int64_t file_begin;
    uint64_t digest;
} Writing;

/* A step whose loss was finite can still leave parameters that are not: what
 * nothing can go on from is no checkpoint. */
static Status check_finite(const ProgramVariable *v, const char *elements,
                           int64_t count)
{
    if (v->kind != VARIABLE_PARAMETER || v->type.dtype != DTYPE_F32)
        return status_ok();
    for (int64_t i = 0; i < count; i++) {
        float value;
        memcpy(&value, elements + i * 4, sizeof value);
        if (!isfinite(value))
            return status_error(STATUS_INPUT,
                                "parameter '%.*s' has values that are not "
                                "finite",
                                STR_ARG(v->name));
    }
    return status_ok();
}

static Status write_run(void *context, int64_t at, int64_t stored_at,
                        int64_t count)
{
    Writing *w = context;
    enum { CHUNK = 1 << 14 };
    char chunk[CHUNK * 4];
    for (int64_t done = 0; done < count; done += CHUNK) {
        int64_t n = min_i64(CHUNK, count - done);
        TRY(w->worker->device.interface->read(
            &w->worker->device, chunk,
            w->block->address + (stored_at + done) * 4, n * 4));
        TRY(check_finite(w->variable, chunk, n));
        w->digest += digest_elements(chunk, at + done, n);
        TRY(write_exactly(w->descriptor, w->path, chunk, n * 4,
                          w->file_begin + (at + done) * 4));
    }
    return status_ok();
}

static Status write_variable(Checkpoints *c, int32_t variable, int descriptor,
                             const char *path)
{
    const ProgramVariable *v = &c->worker->program->variables.data[variable];
    VariableBlock block = variable_block(c->worker, variable);
    if (!block.is_here || !block.is_first)
        return status_ok();
    Writing writing = {.worker = c->worker,
                       .variable = v,
                       .block = &block,
                       .descriptor = descriptor,
                       .path = path,
                       .file_begin = c->file_begin[variable]};
    TRY(rectangle_runs(
        block.length, (RectanglePlace){&v->type.shape, block.begin},
        (RectanglePlace){&block.stored, NULL}, write_run, &writing));
    c->digests[variable] = writing.digest;
    return status_ok();
}

static Status write_blocks(Checkpoints *c, int32_t file, const char *folder)
{
    char path[CHECKPOINT_PATH_MAX + 32];
    snprintf(path, sizeof(path), "%s/%s", folder, checkpoint_file_names[file]);
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    if (descriptor < 0)
        return cannot_write(path);
    Status status = status_ok();
    for (int32_t v = 0; v < c->worker->program->variables.count; v++)
        if (file_of(&c->worker->program->variables.data[v]) == file &&
            !status_failed(&status))
            status = write_variable(c, v, descriptor, path);
    if (!status_failed(&status) && fsync(descriptor) != 0)
        status = cannot_write(path);
    if (close(descriptor) != 0 && !status_failed(&status))
        status = cannot_write(path);
    return status;
}

/* -- the whole ------------------------------------------------------------ */

static Status create_files(Checkpoints *c, const char *folder)
{
    checkpoint_remove(folder);
    if (mkdir(folder, 0777) != 0)
        return cannot_write(folder);
    for (int f = 0; f < CHECKPOINT_FILES; f++) {
        char path[CHECKPOINT_PATH_MAX + 32];
        snprintf(path, sizeof(path), "%s/%s", folder, checkpoint_file_names[f]);
        TRY(create_file(path, c->files[f].header, c->files[f].bytes));
    }
    return status_ok();
}

/* Adds up every rank's digests into c->digests. */
static Status sum_digests(Checkpoints *c)
{
    Communicator *m = c->worker->communicator;
    int64_t n = c->worker->program->variables.count;
    if (n == 0)
        return status_ok();
    TRY(m->interface->all_gather(m, GROUP_WORLD, c->digests, c->all_digests,
                                 n * (int64_t)sizeof(uint64_t)));
    for (int64_t v = 0; v < n; v++) {
        c->digests[v] = 0;
        for (int64_t r = 0; r < m->size; r++)
            c->digests[v] += c->all_digests[r * n + v];
    }
    return status_ok();
}

static Status write_manifest(Checkpoints *c, const CheckpointState *state,
                             const char *folder)
{
    const Program *p = c->worker->program;
    char path[CHECKPOINT_PATH_MAX + 32];
    snprintf(path, sizeof(path), "%s/manifest.json", folder);
    FILE *file = fopen(path, "w");
    if (!file)
        return cannot_write(path);
    fprintf(file,
            "{\n  \"format\": \"dnnc checkpoint\",\n  \"version\": 1,\n"
            "  \"step\": %lld,\n  \"samples\": %lld,\n  \"seed\": %" PRIu64
            ",\n  \"plan\": \"%016" PRIx64 "\",\n  \"files\": {",
            (long long)state->step, (long long)state->samples, state->seed,
            p->plan_hash);
    for (int f = 0; f < CHECKPOINT_FILES; f++)
        fprintf(file, "%s\n    \"%s\": %lld", f ? "," : "",
                checkpoint_file_names[f], (long long)c->files[f].bytes);
    fprintf(file, "\n  },\n  \"digests\": {");
    for (int64_t v = 0; v < p->variables.count; v++)
        fprintf(file, "%s\n    \"%.*s\": \"%016" PRIx64 "\"", v ? "," : "",
                STR_ARG(p->variables.data[v].name), c->digests[v]);
    fprintf(file, "\n  }\n}\n");
    bool failed = fflush(file) != 0 || fsync(fileno(file)) != 0;
    if (fclose(file) != 0 || failed)
        return cannot_write(path);
    return status_ok();
}

/* Rank 0's last act: from here on the checkpoint exists. */
static Status publish(Checkpoints *c, const CheckpointState *state,
                      const char *temporary, const char *final)
{
    TRY(write_manifest(c, state, temporary));
    TRY(folder_sync(temporary));
    checkpoint_remove(final);
    if (rename(temporary, final) != 0)
        return cannot_write(final);
    TRY(folder_sync(c->folder));
    checkpoint_prune(c->folder, c->keep);
    return status_ok();
}

static Status save(Checkpoints *c, const CheckpointState *state,
                   const char *temporary, const char *final)
{
    Communicator *m = c->worker->communicator;
    Status status = status_ok();
    if (m->rank == 0)
        status = create_files(c, temporary);
    TRY(communicator_agree(m, status));
    memset(c->digests, 0,
           (size_t)c->worker->program->variables.count * sizeof(uint64_t));
    for (int32_t f = 0; f < CHECKPOINT_FILES && !status_failed(&status); f++)
        status = write_blocks(c, f, temporary);
    TRY(communicator_agree(m, status));
    TRY(sum_digests(c));
    if (m->rank == 0)
        status = publish(c, state, temporary, final);
    return communicator_agree(m, status);
}

Status checkpoint_save(Checkpoints *c, const CheckpointState *state)
{
    char temporary[CHECKPOINT_PATH_MAX], final[CHECKPOINT_PATH_MAX];
    if (state->step == c->newest)
        return status_ok(); /* this very state is saved */
    checkpoint_path(temporary, c->folder, state->step, true);
    checkpoint_path(final, c->folder, state->step, false);
    Status status = save(c, state, temporary, final);
    if (!status_failed(&status))
        c->newest = state->step;
    else if (c->worker->communicator->rank == 0)
        checkpoint_remove(temporary);
    return status;
}

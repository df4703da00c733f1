/* Reading checkpoints and weights: own blocks, digests checked. */
#include "runtime/checkpoint.h"
#include "runtime/variable_block.h"
#include "support/checked.h"

#include <stdio.h>
#include <string.h>

Status checkpoint_find(Communicator *c, const char *folder,
                       CheckpointState *out)
{
    *out = (CheckpointState){.step = -1};
    Status status = status_ok();
    int64_t newest;
    if (c->rank == 0 && checkpoint_list(folder, &newest, 1)) {
        Manifest manifest;
        status = manifest_read(&manifest, folder, newest);
        *out = manifest.state;
        manifest_close(&manifest);
    }
    TRY(communicator_agree(c, status));
    return c->interface->broadcast(c, GROUP_WORLD, 0, out, sizeof(*out));
}

/* -- blocks --------------------------------------------------------------- */

/* Reading one block of one variable. */
typedef struct Reading {
    Worker *worker;
    const Safetensors *file;
    const SafetensorsEntry *entry;
    const VariableBlock *block;
    uint64_t digest;
} Reading;

static Status read_run(void *context, int64_t at, int64_t stored_at,
                       int64_t count)
{
    Reading *r = context;
    enum { CHUNK = 1 << 14 };
    char chunk[CHUNK * 4];
    for (int64_t done = 0; done < count; done += CHUNK) {
        int64_t n = min_i64(CHUNK, count - done);
        TRY(safetensors_read(r->file, r->entry, at + done, n, chunk));
        r->digest += digest_elements(chunk, at + done, n);
        TRY(r->worker->device.interface->write(
            &r->worker->device, r->block->address + (stored_at + done) * 4,
            chunk, n * 4));
    }
    return status_ok();
}

static Status check_entry(const Safetensors *file, const ProgramVariable *v,
                          const SafetensorsEntry *entry, Arena scratch)
{
    if (!entry)
        return status_error(STATUS_INPUT,
                            "'%s' has no tensor '%.*s' of the model",
                            file->path, STR_ARG(v->name));
    if (entry->is_readable && type_equal(&entry->type, &v->type))
        return status_ok();
    return status_error(
        STATUS_INPUT, "'%s': tensor '%.*s' is %.*s, but the model has %.*s",
        file->path, STR_ARG(v->name),
        STR_ARG(entry->is_readable ? type_print(&scratch, &entry->type)
                                   : STR("of another element type or shape")),
        STR_ARG(type_print(&scratch, &v->type)));
}

/* This device's block, when it has one; its part of the digest when it is the
 * first replica. */
static Status read_variable(Worker *w, const Safetensors *file,
                            int32_t variable, const SafetensorsEntry *entry,
                            uint64_t *digest)
{
    const ProgramVariable *v = &w->program->variables.data[variable];
    VariableBlock block = variable_block(w, variable);
    *digest = 0;
    if (!block.is_here)
        return status_ok();
    Reading reading = {
        .worker = w, .file = file, .entry = entry, .block = &block};
    TRY(rectangle_runs(
        block.length, (RectanglePlace){&v->type.shape, block.begin},
        (RectanglePlace){&block.stored, NULL}, read_run, &reading));
    if (block.is_first)
        *digest = reading.digest;
    return status_ok();
}

static Status read_file(Checkpoints *c, const Manifest *manifest, int32_t f,
                        const char *folder, Arena scratch)
{
    Worker *w = c->worker;
    char path[CHECKPOINT_PATH_MAX + 32];
    snprintf(path, sizeof(path), "%s/%s", folder, checkpoint_file_names[f]);
    Safetensors file;
    TRY(safetensors_open(&file, &scratch, path));
    Status status = status_ok();
    if (manifest_file_bytes(manifest, checkpoint_file_names[f]) !=
        file.file_bytes)
        status = checkpoint_damaged(path, "its length is not the manifest's");
    for (int32_t v = 0; v < w->program->variables.count; v++) {
        const ProgramVariable *of = &w->program->variables.data[v];
        if ((of->kind == VARIABLE_OPTIMIZER) != (f == CHECKPOINT_OPTIMIZER) ||
            status_failed(&status))
            continue;
        const SafetensorsEntry *entry = safetensors_find(&file, of->name);
        status = check_entry(&file, of, entry, scratch);
        if (!status_failed(&status))
            status = read_variable(w, &file, v, entry, &c->digests[v]);
    }
    safetensors_close(&file);
    return status;
}

/* Compares the sums of all ranks' digests with the manifest's. */
static Status check_digests(Checkpoints *c, const Manifest *manifest,
                            const char *folder)
{
    const Program *p = c->worker->program;
    for (int64_t v = 0; v < p->variables.count; v++) {
        const ProgramVariable *of = &p->variables.data[v];
        uint64_t sum = 0;
        for (int64_t r = 0; r < c->worker->communicator->size; r++)
            sum += c->all_digests[r * p->variables.count + v];
        uint64_t expected;
        if (!manifest_digest(manifest, of->name, &expected) || expected != sum)
            return status_error(
                STATUS_INPUT,
                "'%s/%s' is damaged: tensor '%.*s' does not have the "
                "manifest's digest; remove its folder to go on from an older "
                "checkpoint",
                folder, checkpoint_file_names[of->kind == VARIABLE_OPTIMIZER],
                STR_ARG(of->name));
    }
    return status_ok();
}

static Status load(Checkpoints *c, const Manifest *manifest, const char *folder,
                   Arena scratch)
{
    Communicator *m = c->worker->communicator;
    int64_t n = c->worker->program->variables.count;
    Status status = status_ok();
    for (int32_t f = 0; f < CHECKPOINT_FILES && !status_failed(&status); f++)
        status = read_file(c, manifest, f, folder, scratch);
    TRY(communicator_agree(m, status));
    if (n > 0)
        TRY(m->interface->all_gather(m, GROUP_WORLD, c->digests, c->all_digests,
                                     n * (int64_t)sizeof(uint64_t)));
    return check_digests(c, manifest, folder);
}

Status checkpoint_load(Checkpoints *c, int64_t step, Arena scratch)
{
    char folder[CHECKPOINT_PATH_MAX];
    checkpoint_path(folder, c->folder, step, false);
    Manifest manifest;
    Status status = manifest_read(&manifest, c->folder, step);
    status = communicator_agree(c->worker->communicator, status);
    if (!status_failed(&status))
        status = load(c, &manifest, folder, scratch);
    manifest_close(&manifest);
    return status;
}

/* -- weights -------------------------------------------------------------- */

static Status load_weights(Worker *w, const Safetensors *file, Arena scratch)
{
    for (int32_t v = 0; v < w->program->variables.count; v++) {
        const ProgramVariable *of = &w->program->variables.data[v];
        const SafetensorsEntry *entry = safetensors_find(file, of->name);
        uint64_t ignored;
        if (of->kind == VARIABLE_OPTIMIZER ||
            (of->kind == VARIABLE_STATE && !entry))
            continue;
        TRY(check_entry(file, of, entry, scratch));
        TRY(read_variable(w, file, v, entry, &ignored));
    }
    return status_ok();
}

Status weights_load(Worker *w, const char *path, Arena scratch)
{
    Safetensors file;
    Status status = safetensors_open(&file, &scratch, path);
    if (!status_failed(&status)) {
        status = load_weights(w, &file, scratch);
        safetensors_close(&file);
    }
    return communicator_agree(w->communicator, status);
}

/* Reading manifests. */
#include "runtime/manifest.h"

#include "runtime/checkpoint.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

Status checkpoint_damaged(const char *path, const char *what)
{
    return status_error(STATUS_INPUT,
                        "'%s' is damaged: %s; remove its folder to go on from "
                        "an older checkpoint",
                        path, what);
}

static bool read_count(const json_t *root, const char *key, int64_t *out)
{
    const json_t *value = json_object_get(root, key);
    *out = json_integer_value(value);
    return json_is_integer(value) && *out >= 0;
}

/* Takes over `root`. */
static Status take(Manifest *out, json_t *root, const char *path, int64_t step)
{
    int64_t seed = 0;
    *out = (Manifest){.root = root};
    if (read_count(root, "step", &out->state.step) &&
        read_count(root, "samples", &out->state.samples) &&
        read_count(root, "seed", &seed) && out->state.step == step &&
        json_is_object(json_object_get(root, "digests")) &&
        json_is_object(json_object_get(root, "files"))) {
        out->state.seed = (uint64_t)seed;
        return status_ok();
    }
    manifest_close(out);
    return checkpoint_damaged(path, "it is no whole manifest");
}

Status manifest_read(Manifest *out, const char *folder, int64_t step)
{
    char path[CHECKPOINT_PATH_MAX], file[CHECKPOINT_PATH_MAX + 32];
    checkpoint_path(path, folder, step, false);
    snprintf(file, sizeof file, "%s/manifest.json", path);
    return take(out, json_load_file(file, JSON_REJECT_DUPLICATES, NULL), file,
                step);
}

Status manifest_parse(Manifest *out, Str text, const char *path, int64_t step)
{
    return take(out,
                json_loadb(text.data, (size_t)text.length,
                           JSON_REJECT_DUPLICATES, NULL),
                path, step);
}

void manifest_close(Manifest *manifest)
{
    json_decref(manifest->root);
    *manifest = (Manifest){.state = {.step = -1}};
}

int64_t manifest_file_bytes(const Manifest *manifest, const char *file)
{
    const json_t *bytes =
        json_object_get(json_object_get(manifest->root, "files"), file);
    return json_is_integer(bytes) ? json_integer_value(bytes) : -1;
}

bool manifest_digest(const Manifest *manifest, Str tensor, uint64_t *out)
{
    enum { DIGITS = 16 };
    const char *text = json_string_value(
        json_object_getn(json_object_get(manifest->root, "digests"),
                         tensor.data, (size_t)tensor.length));
    return text && strspn(text, "0123456789abcdef") == DIGITS &&
           strlen(text) == DIGITS && sscanf(text, "%" SCNx64, out) == 1;
}

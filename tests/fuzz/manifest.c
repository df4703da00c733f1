/* Fuzz the manifests of checkpoints: any text is refused or a manifest of the
 * step that was asked for. */
#include "runtime/manifest.h"

#include "tests/fuzz/fuzz.h"

#include <assert.h>

enum { STEP = 30 };

void fuzz_input(Str text, Arena *arena)
{
    (void)arena;
    Manifest manifest;
    uint64_t digest;
    Status status = manifest_parse(&manifest, text, "manifest.json", STEP);
    if (status_failed(&status)) {
        assert(!manifest.root && status.message[0]);
        return;
    }
    assert(manifest.state.step == STEP && manifest.state.samples >= 0);
    (void)manifest_file_bytes(&manifest, "model.safetensors");
    (void)manifest_digest(&manifest, STR("table"), &digest);
    manifest_close(&manifest);
}

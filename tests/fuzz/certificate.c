/* Fuzz the certificate checker: a problem, a line with '%', a certificate.  It
 * refuses with a reason, or it proves a claim that the problem's own solution
 * does not contradict. */
#include "support/checked.h"
#include "tests/bench/iopddl/certificate_replay.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <string.h>

static int64_t read_bytes(void *context, char *bytes, int64_t n)
{
    Str *rest = context;
    int64_t taken = min_i64(n, rest->length);
    memcpy(bytes, rest->data, (size_t)taken);
    *rest = (Str){rest->data + taken, rest->length - taken};
    return taken;
}

void fuzz_input(Str bytes, Arena *arena)
{
    (void)arena;
    if (bytes.length == 0)
        return;
    const char *end = bytes.data + bytes.length;
    const char *border = memmem(bytes.data, (size_t)bytes.length, "\n%\n", 3);
    const char *rest = border ? border + 3 : end;
    Str certificate = {rest, end - rest};
    size_t size = (size_t)((border ? border : end) - bytes.data);
    Verdict v = certificate_replay(bytes.data, size, read_bytes, &certificate);
    assert(v.proved == (v.why[0] == 0));
    assert(!v.proved || v.infeasible || v.claim <= v.cost);
}

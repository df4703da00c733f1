/* check_certificate PROBLEM CERTIFICATE: redoes the proof that `dnnc solve
 * --certificate` wrote, step by step, on its own copy of the problem, in exact
 * integers (certificate_replay.h).  Shares no code with the solver.
 *
 * Prints what is proved.  Exit status 0 when the certificate's claim is, 1 when
 * it is refused, 2 when a file cannot be read.
 */
#include "certificate_replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

static char *read_all(const char *path, size_t *size)
{
    gzFile file = gzopen(path, "rb");
    size_t capacity = 1 << 20;
    char *bytes = malloc(capacity);
    int got = 0;
    *size = 0;
    while (file && bytes &&
           (got = gzread(file, bytes + *size, (unsigned)(capacity - *size))) >
               0) {
        *size += (size_t)got;
        if (*size < capacity)
            continue;
        char *more = realloc(bytes, capacity + capacity / 2);
        if (!more)
            free(bytes);
        bytes = more;
        capacity += capacity / 2;
    }
    if (!file || !bytes || got < 0) {
        free(bytes);
        bytes = NULL;
    }
    if (file)
        gzclose(file);
    return bytes;
}

static int64_t read_some(void *context, char *bytes, int64_t size)
{
    return gzread(context, bytes, (unsigned)size);
}

static void report(const Verdict *v)
{
    if (v->infeasible)
        printf("proved: no assignment keeps a limit of %" PRId64
               " (the problem's is %" PRId64 "); %" PRId64 " parts\n",
               v->claim, v->limit, v->n_parts);
    else
        printf("proved: no assignment costs less than %" PRId64
               "; the solution costs %" PRId64 "%s; %" PRId64 " parts\n",
               v->claim, v->cost, v->claim == v->cost ? ", the optimum" : "",
               v->n_parts);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: check_certificate PROBLEM CERTIFICATE\n", stderr);
        return 2;
    }
    size_t size;
    char *problem = read_all(argv[1], &size);
    gzFile certificate = gzopen(argv[2], "rb");
    if (!problem || !certificate) {
        fprintf(stderr, "check_certificate: %s: unreadable\n",
                argv[problem ? 2 : 1]);
        return 2;
    }
    Verdict v = certificate_replay(problem, size, read_some, certificate);
    gzclose(certificate);
    free(problem);
    if (v.proved)
        report(&v);
    else
        printf("refused: line %" PRId64 ": %s\n", v.line, v.why);
    return v.proved ? 0 : 1;
}

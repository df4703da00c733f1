/* Pool: memory of one part of a check, freed at once, and the way out when a
 * file is refused.
 *
 * The checker reads files that nobody vouches for: whatever does not hold ends
 * in certificate_refuse, which jumps out of any depth; who set the landing
 * frees the pools.
 */
#ifndef DNNC_TESTS_CERTIFICATE_POOL_H
#define DNNC_TESTS_CERTIFICATE_POOL_H

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

/* Of one check: why it was refused, and what it holds. */
typedef struct Check {
    jmp_buf refused;
    char why[200];
    struct Pool *pools; /* all of them, the newest first */
} Check;

typedef struct Block Block;

typedef struct Pool {
    Check *check;
    struct Pool *next;
    Block *blocks;
} Pool;

/* Does not return. */
void certificate_refuse(Check *check, const char *text, ...)
    __attribute__((format(printf, 2, 3), noreturn));

Pool *pool_new(Check *check);
void pool_free(Pool *pool);
/* Frees every pool of the check. */
void pool_free_all(Check *check);
/* Zeroed; refuses when there is none. */
void *pool_allocate(Pool *pool, int64_t count, size_t size);

#define POOL_NEW(pool, Type, count) \
    ((Type *)pool_allocate((pool), (count), sizeof(Type)))

/* Sums that refuse instead of wrapping; NEVER absorbs. */
#define NEVER INT64_MAX
int64_t certificate_add(Check *check, int64_t a, int64_t b);

#endif

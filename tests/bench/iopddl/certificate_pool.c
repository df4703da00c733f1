/* Pool: blocks in a chain. */
#include "certificate_pool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_BYTES = 1 << 16 };

/* Sums stay below this, so that two of them never overflow. */
static const int64_t SUM_MOST = INT64_C(1) << 62;

struct Block {
    Block *next;
    size_t used, size;
    _Alignas(16) char bytes[];
};

void certificate_refuse(Check *check, const char *text, ...)
{
    va_list args;
    va_start(args, text);
    vsnprintf(check->why, sizeof check->why, text, args);
    va_end(args);
    longjmp(check->refused, 1);
}

Pool *pool_new(Check *check)
{
    Pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        certificate_refuse(check, "out of memory");
    *pool = (Pool){.check = check, .next = check->pools};
    check->pools = pool;
    return pool;
}

void pool_free(Pool *pool)
{
    Pool **link = &pool->check->pools;
    while (*link != pool)
        link = &(*link)->next;
    *link = pool->next;
    for (Block *b = pool->blocks; b;) {
        Block *next = b->next;
        free(b);
        b = next;
    }
    free(pool);
}

void pool_free_all(Check *check)
{
    while (check->pools)
        pool_free(check->pools);
}

void *pool_allocate(Pool *pool, int64_t count, size_t size)
{
    size_t bytes;
    if (count < 0 || count > INT64_C(1) << 40 ||
        __builtin_mul_overflow((size_t)count, size, &bytes))
        certificate_refuse(pool->check, "out of memory");
    bytes = (bytes + 15) & ~(size_t)15;
    Block *b = pool->blocks;
    if (!b || b->size - b->used < bytes) {
        size_t room = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        b = calloc(1, sizeof *b + room);
        if (!b)
            certificate_refuse(pool->check, "out of memory");
        *b = (Block){.next = pool->blocks, .size = room};
        pool->blocks = b;
    }
    b->used += bytes;
    return b->bytes + b->used - bytes;
}

int64_t certificate_add(Check *check, int64_t a, int64_t b)
{
    if (a == NEVER || b == NEVER)
        return NEVER;
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum) || sum >= SUM_MOST ||
        sum <= -SUM_MOST)
        certificate_refuse(check, "a number beyond 2^62");
    return sum;
}

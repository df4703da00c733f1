/* Replay: stands in for libFuzzer where there is none: every seed of a folder,
 * and copies of it with a few bytes changed, cut out or doubled, every other
 * one by the target's own mutator if it has one.
 *
 *     fuzz_graph FOLDER [ROUNDS]
 */
#include "support/arena.h"
#include "support/philox.h"
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED_BYTES_MAX = 1 << 16, ROUNDS_DEFAULT = 2000 };

typedef struct Sample {
    uint8_t data[2 * SEED_BYTES_MAX];
    size_t size;
} Sample;

static uint32_t draw(uint32_t round, uint32_t what, size_t below)
{
    return below ? philox(1, round, what, 0, 0).word[0] % (uint32_t)below : 0;
}

#pragma weak LLVMFuzzerCustomMutator

/* Doubles, cuts out or overwrites [begin, begin + n). */
static void damage(Sample *s, uint32_t round, uint32_t change)
{
    size_t begin = draw(round, 4 * change, s->size);
    size_t n = 1 + draw(round, 4 * change + 1, 12);
    if (begin + n > s->size)
        n = s->size - begin;
    uint8_t *at = s->data + begin;
    size_t after = s->size - begin - n;
    switch (draw(round, 4 * change + 2, 3)) {
    case 0:
        memmove(at + n, at, after + n);
        s->size += n;
        break;
    case 1:
        memmove(at, at + n, after);
        s->size -= n;
        break;
    default:
        if (n > 0) /* by a byte from elsewhere in the seed, or any */
            *at = round % 2 ? s->data[draw(round, 4 * change + 3, s->size)]
                            : (uint8_t)draw(round, 4 * change + 3, 256);
    }
}

/* The mutator's own changes, drawn from the bytes it gives. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size)
{
    static Sample part;
    static uint32_t round;
    if (size > SEED_BYTES_MAX || max_size < 24)
        return size;
    memcpy(part.data, data, size);
    part.size = size;
    damage(&part, round++, 0);
    size = part.size < max_size ? part.size : max_size;
    memcpy(data, part.data, size);
    return size;
}

static void replay(const Sample *seed, uint32_t rounds)
{
    static Sample copy;
    LLVMFuzzerTestOneInput(seed->data, seed->size);
    for (uint32_t round = 0; round < rounds; round++) {
        copy = *seed;
        if (LLVMFuzzerCustomMutator && round % 2)
            copy.size = LLVMFuzzerCustomMutator(copy.data, copy.size,
                                                sizeof copy.data, round);
        else
            for (uint32_t change = 0; change <= round % 4; change++)
                damage(&copy, round, change);
        LLVMFuzzerTestOneInput(copy.data, copy.size);
    }
}

static int read_seed(const char *folder, const char *name, Sample *seed)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return -1;
    }
    seed->size = fread(seed->data, 1, SEED_BYTES_MAX, file);
    fclose(file);
    return 0;
}

int main(int argc, char **argv)
{
    static Sample seed;
    struct dirent **names = NULL;
    uint32_t rounds = argc > 2 ? (uint32_t)atoi(argv[2]) : ROUNDS_DEFAULT;
    int n = argc > 1 ? scandir(argv[1], &names, NULL, alphasort) : -1;
    int n_seeds = 0;
    for (int i = 0; i < n; i++) {
        if (names[i]->d_name[0] == '.')
            continue;
        if (read_seed(argv[1], names[i]->d_name, &seed))
            return 1;
        replay(&seed, rounds);
        n_seeds++;
    }
    printf("%d seeds, %u damaged copies of each\n", n_seeds, rounds);
    return n_seeds == 0;
}

/* Program transfer: which device of which stage a rank is, and who gives whom
 * which rectangle of a value that crosses between stages. */
#include "ir/program.h"
#include "support/checked.h"

#include <string.h>

bool program_place(const Program *program, int64_t rank, int32_t *stage,
                   int64_t *device)
{
    for (int32_t s = 0; s < program->stages.count; s++) {
        const ProgramStage *candidate = &program->stages.data[s];
        for (int64_t d = 0; d < mesh_devices(&candidate->mesh); d++)
            if (candidate->ranks[d] == rank) {
                *stage = s;
                *device = d;
                return true;
            }
    }
    return false;
}

/* A rectangle of global indices. */
typedef struct Box {
    int64_t begin[RANK_MAX], length[RANK_MAX];
} Box;

static Box block_of(const LogicalMesh *mesh, const Shape *shape,
                    const Sharding *sharding, const int64_t *coordinates)
{
    Box box = {0};
    for (int32_t d = 0; d < shape->rank; d++)
        sharding_local_range(mesh, shape->extent[d], sharding->axes[d],
                             coordinates, &box.begin[d], &box.length[d]);
    return box;
}

static bool intersect(const Box *a, const Box *b, int32_t rank, Box *out)
{
    for (int32_t d = 0; d < rank; d++) {
        int64_t begin = max_i64(a->begin[d], b->begin[d]);
        int64_t end =
            min_i64(a->begin[d] + a->length[d], b->begin[d] + b->length[d]);
        if (begin >= end)
            return false;
        out->begin[d] = begin;
        out->length[d] = end - begin;
    }
    return true;
}

/* Keeps a receiver's pieces ordered by begin. */
static void insert_piece(TransferPiece *pieces, int64_t first, int64_t count,
                         const TransferPiece *piece)
{
    int64_t at = count;
    while (at > first && memcmp(pieces[at - 1].begin, piece->begin,
                                sizeof piece->begin) != 0) {
        int32_t d = 0;
        while (pieces[at - 1].begin[d] == piece->begin[d])
            d++;
        if (pieces[at - 1].begin[d] < piece->begin[d])
            break;
        pieces[at] = pieces[at - 1];
        at--;
    }
    pieces[at] = *piece;
}

int64_t program_transfer_pieces(const Program *program, int32_t transfer,
                                int64_t microbatch, Arena *arena,
                                TransferPiece **out)
{
    const Transfer *t = &program->transfers.data[transfer];
    const LogicalMesh *from = &program->stages.data[t->from_stage].mesh;
    const LogicalMesh *to = &program->stages.data[t->to_stage].mesh;
    int64_t senders = mesh_devices(from), receivers = mesh_devices(to);
    uint8_t replicas =
        (uint8_t)~(sharding_split_axes(&t->from) | AXIS_MASK_TIME);
    int64_t n_replicas = mesh_axes_size(from, replicas);
    int64_t count = 0;
    *out = arena_new(arena, TransferPiece, receivers * (senders / n_replicas));
    for (int64_t r = 0; r < receivers; r++) {
        int64_t at[MESH_AXES_MAX] = {microbatch}, first = count;
        mesh_coordinates(to, r, at);
        Box wanted = block_of(to, &t->type.shape, &t->to, at);
        for (int64_t s = 0; s < senders; s++) {
            Box offered, common = {0};
            mesh_coordinates(from, s, at);
            if (mesh_group_index(from, replicas, at) != r % n_replicas)
                continue;
            offered = block_of(from, &t->type.shape, &t->from, at);
            if (!intersect(&wanted, &offered, t->type.shape.rank, &common))
                continue;
            TransferPiece piece = {.from_device = s, .to_device = r};
            memcpy(piece.begin, common.begin, sizeof piece.begin);
            memcpy(piece.length, common.length, sizeof piece.length);
            insert_piece(*out, first, count++, &piece);
        }
    }
    return count;
}

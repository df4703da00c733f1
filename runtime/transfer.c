/* Transfers: this device's pieces, found once, packed and sent each time. */
#include "runtime/transfer.h"

#include "runtime/rectangle.h"
#include "support/checked.h"

#include <stdlib.h>
#include <string.h>

enum { ELEMENT_BYTES = 4 };

/* The piece of a transfer in this device's own terms.  Microbatches are equal
 * blocks, so what holds for microbatch 0 holds for all. */
static Piece piece_of(const ProgramStage *mine, const Sharding *sharding,
                      const Shape *global, int64_t device, int64_t peer,
                      const TransferPiece *piece)
{
    Piece out = {.rank = peer};
    int64_t coordinate[MESH_AXES_MAX] = {0};
    mesh_coordinates(&mine->mesh, device, coordinate);
    for (int32_t d = 0; d < global->rank; d++) {
        int64_t start, length;
        sharding_local_range(&mine->mesh, global->extent[d], sharding->axes[d],
                             coordinate, &start, &length);
        out.begin[d] = piece->begin[d] - start;
        out.length[d] = piece->length[d];
    }
    out.bytes = rectangle_count(global->rank, out.length) * ELEMENT_BYTES;
    for (int i = 0; i < TRANSFER_MESSAGES_IN_FLIGHT; i++)
        out.request[i] = REQUEST_NONE;
    return out;
}

static void find_side(TransferSide *side, const Program *program,
                      int32_t transfer, int32_t stage, int64_t device,
                      Arena *arena, Arena scratch)
{
    const Transfer *t = &program->transfers.data[transfer];
    bool is_sender = t->from_stage == stage;
    int32_t other_stage = is_sender ? t->to_stage : t->from_stage;
    const ProgramStage *mine = &program->stages.data[stage];
    const ProgramStage *other = &program->stages.data[other_stage];
    const Sharding *sharding = is_sender ? &t->from : &t->to;
    TransferPiece *pieces;
    int64_t n =
        program_transfer_pieces(program, transfer, 0, &scratch, &pieces);
    side->block = sharding_local_shape(&mine->mesh, &t->type.shape, sharding);
    side->pieces = arena_new(arena, Piece, n);
    for (int64_t i = 0; i < n; i++) {
        const TransferPiece *p = &pieces[i];
        if ((is_sender ? p->from_device : p->to_device) != device)
            continue;
        int64_t peer = other->ranks[is_sender ? p->to_device : p->from_device];
        side->pieces[side->n_pieces++] =
            piece_of(mine, sharding, &t->type.shape, device, peer, p);
    }
}

/* How often the stage's schedule runs each transfer. */
static void count_per_step(Transfers *t, const ProgramStage *stage)
{
    for (int64_t i = 0; i < stage->schedule.count; i++) {
        const Task *task = &stage->schedule.data[i];
        const Segment *segment = &stage->segments[task->segment];
        for (int32_t k = task->first; k < task->end; k++) {
            const Instruction *in = &segment->instructions.data[k];
            if (in->kind == INSTRUCTION_RECEIVE)
                t->sides[in->transfer].per_step++;
        }
    }
}

/* Gives every piece its packing memory. */
static Status reserve_memory(Transfers *t)
{
    const int64_t line = 64;
    for (int pass = 0; pass < 2; pass++) {
        int64_t at = 0;
        for (int64_t i = 0; i < t->n_transfers; i++) {
            for (int64_t p = 0; p < t->sides[i].n_pieces; p++) {
                Piece *piece = &t->sides[i].pieces[p];
                for (int s = 0; s < TRANSFER_MESSAGES_IN_FLIGHT; s++) {
                    piece->packed[s] = t->memory ? t->memory + at : NULL;
                    at += round_up_i64(piece->bytes, line);
                }
            }
        }
        if (pass == 0) {
            t->memory_bytes = max_i64(at, line);
            t->memory = aligned_alloc((size_t)line, (size_t)t->memory_bytes);
            if (!t->memory)
                return status_error(STATUS_ENVIRONMENT, "out of memory");
            memset(t->memory, 0, (size_t)t->memory_bytes);
        }
    }
    return status_ok();
}

Status transfers_init(Transfers *t, Communicator *communicator,
                      const Program *program, int32_t stage, int64_t device,
                      Arena *arena)
{
    *t = (Transfers){
        .communicator = communicator,
        .n_transfers = program->transfers.count,
        .sides = arena_new(arena, TransferSide, program->transfers.count)};
    Arena scratch = arena_split(arena);
    for (int32_t i = 0; i < t->n_transfers; i++) {
        const Transfer *transfer = &program->transfers.data[i];
        if (transfer->from_stage == stage || transfer->to_stage == stage)
            find_side(&t->sides[i], program, i, stage, device, arena, scratch);
    }
    arena->end = scratch.end;
    count_per_step(t, &program->stages.data[stage]);
    return reserve_memory(t);
}

void transfers_deinit(Transfers *t)
{
    for (int64_t i = 0; i < t->n_transfers; i++)
        for (int64_t p = 0; p < t->sides[i].n_pieces; p++)
            for (int s = 0; s < TRANSFER_MESSAGES_IN_FLIGHT; s++) {
                Status ignored = t->communicator->interface->wait(
                    t->communicator, &t->sides[i].pieces[p].request[s]);
                (void)ignored;
            }
    free(t->memory);
    *t = (Transfers){0};
}

Status transfer_send(Transfers *t, int32_t transfer, const char *block)
{
    TransferSide *side = &t->sides[transfer];
    const CommunicatorInterface *move = t->communicator->interface;
    int slot = (int)(side->count++ % TRANSFER_MESSAGES_IN_FLIGHT);
    for (int64_t i = 0; i < side->n_pieces; i++) {
        Piece *p = &side->pieces[i];
        TRY(move->wait(t->communicator, &p->request[slot]));
        rectangle_pack(p->length, (RectanglePlace){&side->block, p->begin},
                       block, p->packed[slot]);
        TRY(move->send(t->communicator, p->rank, transfer, p->packed[slot],
                       p->bytes, &p->request[slot]));
    }
    return status_ok();
}

/* Posts a receive of every piece into the next packing memory. */
static Status post(Transfers *t, int32_t transfer)
{
    TransferSide *side = &t->sides[transfer];
    int slot = (int)(side->posted++ % TRANSFER_MESSAGES_IN_FLIGHT);
    for (int64_t i = 0; i < side->n_pieces; i++) {
        Piece *p = &side->pieces[i];
        TRY(t->communicator->interface->receive(t->communicator, p->rank,
                                                transfer, p->packed[slot],
                                                p->bytes, &p->request[slot]));
    }
    return status_ok();
}

/* Posts a receive of this step unless all are. */
static Status post_ahead(Transfers *t, int32_t transfer)
{
    TransferSide *side = &t->sides[transfer];
    if (side->expected == 0)
        return status_ok();
    side->expected--;
    return post(t, transfer);
}

Status transfers_begin_step(Transfers *t)
{
    for (int32_t i = 0; i < t->n_transfers; i++) {
        t->sides[i].expected = t->sides[i].per_step;
        for (int n = 0; n < TRANSFER_MESSAGES_IN_FLIGHT; n++)
            TRY(post_ahead(t, i));
    }
    return status_ok();
}

Status transfer_receive(Transfers *t, int32_t transfer, char *block)
{
    TransferSide *side = &t->sides[transfer];
    if (side->posted == side->count) /* not of a training step */
        TRY(post(t, transfer));
    int slot = (int)(side->count++ % TRANSFER_MESSAGES_IN_FLIGHT);
    for (int64_t i = 0; i < side->n_pieces; i++) {
        Piece *p = &side->pieces[i];
        TRY(t->communicator->interface->wait(t->communicator,
                                             &p->request[slot]));
        rectangle_unpack(p->length, (RectanglePlace){&side->block, p->begin},
                         p->packed[slot], block);
    }
    return post_ahead(t, transfer);
}

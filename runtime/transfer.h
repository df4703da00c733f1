/* Transfers: values that go from one stage to another.
 *
 * The receiver's block is put together from rectangles of the senders' blocks
 * (program_transfer_pieces).  A rectangle is packed into a message, so a
 * sender goes on computing while the message is under way: a send waits only
 * for the message that used its packing memory two sends ago.  That only
 * relaxes the rendezvous under which the program was proved free of deadlock.
 * Within a training step, whose transfers are known, receives are posted ahead,
 * as many as there is packing memory for: a long message that finds its receive
 * posted moves while both sides compute.
 */
#ifndef DNNC_RUNTIME_TRANSFER_H
#define DNNC_RUNTIME_TRANSFER_H

#include "ir/program.h"
#include "runtime/communicator.h"

enum { TRANSFER_MESSAGES_IN_FLIGHT = 2 };

/* One message of one transfer, as this device sees it: a rectangle of its
 * block, in elements. */
typedef struct Piece {
    int64_t rank; /* the other side */
    int64_t begin[RANK_MAX], length[RANK_MAX];
    int64_t bytes;
    char *packed[TRANSFER_MESSAGES_IN_FLIGHT];
    int32_t request[TRANSFER_MESSAGES_IN_FLIGHT];
} Piece;

typedef struct TransferSide {
    Shape block; /* of this device */
    int64_t n_pieces;
    Piece *pieces;
    int64_t count; /* how often it ran */
    /* of a receiver: */
    int64_t per_step; /* how often it runs in a training step */
    int64_t posted;   /* receives posted, the finished ones included */
    int64_t expected; /* receives of this step not yet posted */
} TransferSide;

typedef struct Transfers {
    Communicator *communicator;
    int64_t n_transfers;
    TransferSide *sides; /* by transfer; n_pieces == 0: not ours */
    char *memory;
    int64_t memory_bytes;
} Transfers;

/* Finds this device's pieces of every transfer. `arena` keeps the tables. */
Status transfers_init(Transfers *t, Communicator *communicator,
                      const Program *program, int32_t stage, int64_t device,
                      Arena *arena) MUST_USE;
/* Waits for messages under way. */
void transfers_deinit(Transfers *t);

/* Posts the first receives of a training step. */
Status transfers_begin_step(Transfers *t) MUST_USE;
/* Packs this device's pieces of `block` and begins to send them. */
Status transfer_send(Transfers *t, int32_t transfer,
                     const char *block) MUST_USE;
/* Waits for this device's pieces and puts them into `block`. */
Status transfer_receive(Transfers *t, int32_t transfer, char *block) MUST_USE;

#endif

/* Program: what the devices of a job do, decided down to the byte.
 *
 * A program holds one ProgramStage per pipeline stage; a rank finds its stage
 * and its coordinates there.  All ranks of a stage run the same instructions:
 * what differs between them (block starts, groups, peers) follows from the
 * coordinates.  Nothing is decided at run time and nothing allocated: memory
 * is one arena per device, every buffer an offset.
 *
 * A stage's work is a set of *segments*, straight lines of instructions:
 *
 *   init          once, when there is no checkpoint: variables
 *   begin         once a step, first: hoisted copies, per-step values
 *   forward       once a microbatch
 *   backward      once a microbatch
 *   update        once a step: reduced gradients, optimizer, new variables
 *   eval_begin    once an evaluation
 *   eval          once an evaluation microbatch
 *   eval_end      once an evaluated batch, last: its metrics
 *
 * and its schedule is a list of tasks (a run of one segment's instructions, a
 * microbatch) for one training step; a batch is evaluated by `eval` for
 * microbatches 0, 1, ... in order, then `eval_end`.  Executing tasks in order
 * with blocking communication never deadlocks: all communication follows one
 * total order.  So the size of
 * a program is nodes + microbatches, never their product.
 *
 * This header is what the job itself reads; what a kernel computes
 * (ir/kernel.h) stays in the compiler.
 */
#ifndef DNNC_IR_PROGRAM_H
#define DNNC_IR_PROGRAM_H

#include "ir/mesh.h"
#include "ir/op.h"
#include "ir/sharding.h"
#include "ir/training.h"
#include "support/status.h"
#include "support/vector.h"

#include <stddef.h>

enum { PROGRAM_VERSION = 1 };

typedef enum BufferClass {
    BUFFER_VARIABLE, /* a variable's block; lives as long as the job */
    BUFFER_INPUT,    /* filled by the data loader: split over microbatches,
                        before each one's first task; else before the step
                        (eval: after eval_begin, before the batch) */
    BUFFER_SAVED, /* forward -> backward, one slot per microbatch in flight */
    BUFFER_STEP,  /* per step: hoisted copies, accumulated gradients */
    BUFFER_TEMPORARY, /* inside one run of a segment */
} BufferClass;

typedef struct Buffer {
    Str name; /* the path of the value it holds */
    BufferClass class;
    Type type;          /* local (block) shape */
    int64_t offset;     /* bytes into the arena, 64-byte aligned */
    int64_t slots;      /* microbatch m uses slot m mod slots */
    int64_t slot_bytes; /* distance of slots, >= type_bytes, 64-aligned */
} Buffer;

/* The values a running kernel may read beside its buffers.  Generated code
 * knows this layout; the fields' order is part of the job's format. */
typedef struct KernelContext {
    uint64_t seed;
    int64_t step;
    int64_t sample_count;              /* valid samples of this global batch */
    int64_t coordinate[MESH_AXES_MAX]; /* [0] is the microbatch */
} KernelContext;

/* Emitted code: buffers in the order of the instruction's operands, then its
 * results.  The result may be the buffer of an operand, but only where the
 * kernel reads that operand at no other element than the one it writes. */
typedef void KernelFunction(char *const *buffers, const KernelContext *context);

typedef enum KernelKind {
    KERNEL_CODE,        /* emitted: code[kernel.code] */
    KERNEL_DOT,         /* library: batched matrix product */
    KERNEL_CONVOLUTION, /* library */
} KernelKind;

enum { DOT_BATCH_MAX = 4 };

/* C[batch][m][n] (=) sum over k of A[batch][m][k] B[batch][k][n], f32.
 * Strides are in elements; every matrix has one unit stride among its two.
 * Batch loops are outermost first. */
typedef struct DotCall {
    int64_t m, n, k;
    int32_t n_batch;
    int64_t batch[DOT_BATCH_MAX];
    int64_t a_batch[DOT_BATCH_MAX], b_batch[DOT_BATCH_MAX],
        c_batch[DOT_BATCH_MAX];
    int64_t a_row, a_column, b_row, b_column; /* strides of m,k and k,n */
    int64_t c_row, c_column;                  /* of m,n */
} DotCall;

typedef enum ConvolutionKind {
    CONVOLUTION_FORWARD,         /* x, w -> y */
    CONVOLUTION_GRADIENT_INPUT,  /* dy, w -> dx */
    CONVOLUTION_GRADIENT_FILTER, /* x, dy -> dw */
} ConvolutionKind;

/* NCHW activations, OIHW filters, f32, all dense. */
typedef struct ConvolutionCall {
    ConvolutionKind kind;
    int64_t batch, channels_in, channels_out;
    int64_t input[2], output[2], kernel[2], stride[2], padding[2];
} ConvolutionCall;

typedef struct Kernel {
    KernelKind kind;
    Str name; /* path of its root, for traces and errors */
    union {
        int32_t code; /* index of the emitted function in the job */
        DotCall dot;
        ConvolutionCall convolution;
    };
    int64_t workspace_bytes; /* given as an extra last buffer when > 0 */
} Kernel;

typedef enum InstructionKind {
    INSTRUCTION_RUN,
    INSTRUCTION_COLLECTIVE,
    INSTRUCTION_SEND,
    INSTRUCTION_RECEIVE,
    INSTRUCTION_WORLD_SUM,
} InstructionKind;

enum { INSTRUCTION_BUFFERS_MAX = 32 };

typedef struct Instruction {
    InstructionKind kind;
    int32_t n_buffers;
    /* RUN: operands, results, workspace; COLLECTIVE: source, destination
     * (may be equal for all_reduce); SEND, RECEIVE: the one buffer;
     * WORLD_SUM: scalars of this stage, then one result for each id. */
    int32_t *buffers;
    int32_t kernel; /* RUN: stage->kernels */
    Op collective;  /* COLLECTIVE: OP_ALL_REDUCE, ... */
    CollectiveAttr collective_attr;
    int32_t transfer;  /* SEND, RECEIVE: program->transfers */
    int32_t world_sum; /* WORLD_SUM: program->world_sums */
} Instruction;

typedef enum SegmentKind {
    SEGMENT_INIT,
    SEGMENT_BEGIN,
    SEGMENT_FORWARD,
    SEGMENT_BACKWARD,
    SEGMENT_UPDATE,
    SEGMENT_EVAL_BEGIN,
    SEGMENT_EVAL,
    SEGMENT_EVAL_END,
    SEGMENT_COUNT
} SegmentKind;

typedef struct Segment {
    VECTOR(Instruction) instructions;
} Segment;

/* Instructions [first, end) of a segment.  Transfers between stages are tasks
 * of their own where the total order needs them apart from the computation. */
typedef struct Task {
    SegmentKind segment;
    int64_t microbatch; /* 0 for per-step segments */
    int32_t first, end;
} Task;

/* A value that goes from one stage to another: the receiver's block is put
 * together from the sender's blocks (program_transfer_pieces).  Per-step
 * transfers run in begin or update, others once a microbatch. */
typedef struct Transfer {
    Str name; /* path of the value */
    int32_t from_stage, to_stage;
    Type type;         /* global */
    Sharding from, to; /* on the stages' meshes; never partial */
} Transfer;

/* A scalar summed over owner shards of all stages.  A term is one stage's
 * scalar: partial over some device axes (every member adds) or replicated
 * (the member with coordinate 0 adds). */
typedef struct WorldSumTerm {
    int32_t stage;
    uint8_t partial; /* axes over which all members contribute */
} WorldSumTerm;
typedef struct WorldSum {
    Str name;
    VECTOR(WorldSumTerm) terms; /* in order of summation */
} WorldSum;

typedef struct ProgramVariable {
    Str name;
    VariableKind kind;
    Type type;         /* global */
    int32_t stage;     /* the owner */
    int32_t buffer;    /* in the owner's stage */
    Sharding sharding; /* on the owner's mesh; never partial */
} ProgramVariable;

typedef struct ProgramInput {
    Str name;
    Type type;        /* global: dimension 0 is the global batch */
    int64_t limit;    /* i32: values lie in [0, limit) (a table's rows, a
                      class count); 0: any value */
    int32_t shift_of; /* as in Input (ir/graph.h) */
    int64_t shift;
} ProgramInput;

/* A stage that consumes an input, and how. */
typedef struct StageInput {
    int32_t input, buffer;
    Sharding sharding;
    bool eval; /* consumed by the eval segment (else by forward) */
} StageInput;

typedef struct ProgramOutput {
    OutputKind kind; /* LOSS, METRIC: a world sum; VALUE: a buffer */
    Str name;
    Type type;         /* global */
    bool eval;         /* produced by eval; else by the training step */
    int32_t world_sum; /* LOSS, METRIC: its buffer exists on every stage */
    int32_t stage;     /* VALUE: where; */
    Sharding sharding; /* VALUE */
    VECTOR(int32_t) buffers; /* per stage; -1 where absent */
} ProgramOutput;

typedef struct ProgramStage {
    Submesh submesh;
    LogicalMesh mesh;
    int64_t *ranks; /* [mesh_devices(&mesh)]: the rank of each device */
    VECTOR(Buffer) buffers;
    VECTOR(Kernel) kernels;
    VECTOR(StageInput) inputs;
    Segment segments[SEGMENT_COUNT];
    VECTOR(Task) schedule; /* one training step */
    int64_t arena_bytes;   /* exact */
    int64_t reserve_bytes; /* the device type's, for libraries */
    int64_t memory_bytes;  /* the device's; arena + reserve <= this */
} ProgramStage;

typedef struct Program {
    Str model_name;
    uint64_t plan_hash;
    Str target;    /* "x86-64-v3", ...: checked before step 0 */
    int64_t batch; /* samples of a global batch */
    int64_t n_microbatches;
    int64_t n_ranks; /* devices of the cluster, idle ones included */
    double planned_seconds;
    Schedule learning_rate; /* for reports: the update computes its own */
    VECTOR(ProgramStage) stages;
    VECTOR(Transfer) transfers;
    VECTOR(WorldSum) world_sums;
    VECTOR(ProgramVariable) variables;
    VECTOR(ProgramInput) inputs;
    VECTOR(ProgramOutput) outputs;
    int64_t parameter_count;
} Program;

/* Stage and device index of a rank; false for an idle rank. */
bool program_place(const Program *program, int64_t rank, int32_t *stage,
                   int64_t *device);

/* One rectangle that a sender gives a receiver. */
typedef struct TransferPiece {
    int64_t from_device, to_device;            /* in their stages */
    int64_t begin[RANK_MAX], length[RANK_MAX]; /* global indices */
} TransferPiece;
/* The pieces of one transfer at one microbatch, ordered by (receiver, begin).
 * Every element of every receiver's block comes once; among replicas the
 * sender is chosen round-robin by receiver.  The result is in the arena. */
int64_t program_transfer_pieces(const Program *program, int32_t transfer,
                                int64_t microbatch, Arena *arena,
                                TransferPiece **out);

/* Bytes of a program as embedded in a job, and back.  Decoding checks every
 * bound: a damaged job is an error, not a crash. */
Str program_encode(Arena *arena, const Program *program);
Status program_decode(Arena *arena, const void *bytes, size_t length,
                      Program *out) MUST_USE;

const char *segment_name(SegmentKind segment);

/* A readable listing: buffers, segments, schedule (for --save-temps and
 * goldens). */
Str program_print(Arena *arena, const Program *program);

#endif

/* The virtual cluster's parts: devices, kernels, communication. */
#ifndef DNNC_IR_CLUSTER_INTERPRET_H
#define DNNC_IR_CLUSTER_INTERPRET_H

#include "ir/interpret.h"

/* Devices of one stage, which execute each instruction together. */
typedef struct VirtualStage {
    const ProgramStage *stage;
    const StageBodies *bodies;
    int64_t n_devices;
    char **memory; /* by device: arena_bytes */
    const Task *tasks;
    int64_t n_tasks, task;
    int32_t instruction;
    int64_t loaded; /* microbatches whose inputs are in their buffers */
} VirtualStage;

struct VirtualCluster {
    Arena *arena;
    const Program *program;
    const ProgramCode *code;
    VirtualStage *stages;
    KernelContext context; /* seed, step, sample count */
    KernelFunction *const *functions; /* NULL: the oracle's kernels */
};

/* Coordinates of a device at a microbatch. */
void virtual_coordinates(const VirtualStage *stage, int64_t device,
                         int64_t microbatch, int64_t *coordinates);
/* Bytes of a buffer of one device at a microbatch. */
char *virtual_bytes(const VirtualStage *stage, int64_t device, int32_t buffer,
                    int64_t microbatch);

/* One instruction on all devices of a stage. */
void virtual_run(const VirtualCluster *cluster, VirtualStage *stage,
                 const Instruction *instruction, int64_t microbatch);
/* Two parts of a partial value as one. */
float reduce_f32(ReduceOp operator, float x, float y);
void virtual_collective(VirtualStage *stage, const Instruction *instruction,
                        int64_t microbatch, Arena scratch);
/* Both ends of a transfer, and all stages' part of a world sum. */
void virtual_transfer(const VirtualCluster *cluster, const Instruction *send,
                      const Instruction *receive, int64_t microbatch);
void virtual_world_sum(const VirtualCluster *cluster, int32_t world_sum);

/* A rectangle of global indices between two blocks. */
typedef struct BlockView {
    char *data;
    Shape shape;             /* of the storage */
    int64_t start[RANK_MAX]; /* global index of its first element */
} BlockView;
/* The block of `type` that the holder of `coordinates` stores at `data`. */
BlockView block_view(char *data, const Type *type, const LogicalMesh *mesh,
                     const Sharding *sharding, const int64_t *coordinates);
/* `visit` may be memcpy of elements (copy) or comparison; copies `length`
 * elements from `begin` (global indices) on. */
void block_copy(const BlockView *to, const BlockView *from,
                const int64_t *begin, const int64_t *length,
                int64_t element_bytes);

#endif

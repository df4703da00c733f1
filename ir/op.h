/* Op: the operator kinds, their attributes and traits (rows: ir/ops.def). */
#ifndef DNNC_IR_OP_H
#define DNNC_IR_OP_H

#include "ir/type.h"

typedef enum Op {
    OP_NONE,
#define OP(NAME, text, operands, attr, rule, gradient, work, linear, traits) \
    OP_##NAME,
#include "ir/ops.def"
#undef OP
    OP_COUNT
} Op;

typedef enum Trait {
    TRAIT_LEAF = 1 << 0,        /* no operands */
    TRAIT_FREE = 1 << 1,        /* costs nothing: computed where it is used */
    TRAIT_MAP = 1 << 2,         /* elementwise over equal shapes */
    TRAIT_INDEX = 1 << 3,       /* each result element is one operand element
                                   or a constant: pure index arithmetic */
    TRAIT_REDUCE = 1 << 4,      /* folds dimensions of one operand */
    TRAIT_CONTRACTION = 1 << 5, /* a library's work: dot, convolution */
    TRAIT_COMMUTATIVE = 1 << 6,
    TRAIT_COMPOSITE = 1 << 7,  /* expanded by passes/expand.c */
    TRAIT_COLLECTIVE = 1 << 8, /* communicates inside a stage's mesh */
    TRAIT_WORLD = 1 << 9,      /* communicates among all devices */
    TRAIT_LOCAL = 1 << 10,     /* legal only in the local form */
    TRAIT_F32 = 1 << 11,       /* every operand is f32 */
} Trait;

/* How partial values of different devices combine. */
typedef enum ReduceOp { REDUCE_SUM, REDUCE_MAX, REDUCE_MIN } ReduceOp;

typedef enum VariableKind {
    VARIABLE_PARAMETER, /* trained; has a gradient */
    VARIABLE_STATE,     /* declared by the model, updated by it (statistics) */
    VARIABLE_OPTIMIZER, /* moments, made by the optimizer */
} VariableKind;

typedef enum OutputKind {
    OUTPUT_LOSS,   /* f32 scalar, mean over the global batch */
    OUTPUT_METRIC, /* f32 scalar, mean over the global batch */
    OUTPUT_VALUE,  /* `output` declaration: dimension 0 is the sample */
    OUTPUT_UPDATE, /* the new value of `variable` */
    OUTPUT_INIT,   /* the initial value of `variable` (init graphs only) */
    OUTPUT_GRADIENT, /* d loss / d `variable`, a parameter; only between
                        passes/differentiate.c and passes/optimizer.c */
} OutputKind;

/* Scalars that only the running job knows; i32. */
typedef enum ScalarKind {
    SCALAR_STEP,         /* 0 for the first step */
    SCALAR_SAMPLE_COUNT, /* valid samples in this global batch (<= batch) */
} ScalarKind;

typedef enum Distribution {
    DISTRIBUTION_UNIFORM,
    DISTRIBUTION_NORMAL
} Distribution;

/* Indices into Graph tables; see ir/graph.h. */
typedef struct InputAttr {
    int32_t input; /* graph->inputs */
} InputAttr;
typedef struct VariableAttr {
    int32_t variable; /* graph->variables */
} VariableAttr;
/* A value of any shape filled with one number. */
typedef struct ConstantAttr {
    double value;
} ConstantAttr;
/* i32 values 0, 1, ... along `dim`, constant along the others. */
typedef struct IotaAttr {
    int32_t dim;
} IotaAttr;
typedef struct ScalarAttr {
    ScalarKind kind;
} ScalarAttr;
typedef struct RandomAttr {
    Distribution distribution;
    uint32_t stream; /* from the source path: (uint32_t)str_hash(path) */
    bool by_step;    /* a new value each step (dropout), else step 0 */
} RandomAttr;
/* operand dim i becomes result dim dims[i] (increasing); others repeat. */
typedef struct BroadcastAttr {
    int32_t dims[RANK_MAX];
} BroadcastAttr;
typedef struct PermuteAttr {
    int32_t dims[RANK_MAX]; /* result dim i is operand dim dims[i] */
} PermuteAttr;
/* slice: result[i] = operand[low + i], `high` elements cut at the end;
 * pad: `low` fill elements before and `high` after.  Fill is 0. */
typedef struct WindowAttr {
    int64_t low[RANK_MAX], high[RANK_MAX];
} WindowAttr;
typedef struct SpatialAttr {
    int64_t kernel[2], stride[2], padding[2]; /* height, width */
    int64_t input[2]; /* H, W of x: fold and conv2d_gradient_input need it */
    double fill;      /* unfold: what padding reads (0, or -inf for max) */
} SpatialAttr;
typedef struct ReduceAttr {
    uint32_t dims; /* bit i: operand dim i is folded; argmax has one bit */
} ReduceAttr;
/* Einsum: one label (a lower-case letter) per dimension.  A label in both
 * operands and not in the result is contracted; in all three it is a batch. */
typedef struct DotAttr {
    char left[RANK_MAX + 1], right[RANK_MAX + 1], result[RANK_MAX + 1];
} DotAttr;
typedef struct ScatterAttr {
    int64_t rows; /* V */
} ScatterAttr;
typedef struct EpsilonAttr {
    double epsilon;
} EpsilonAttr;
/* shard_start: the global extent split over `axes`; shard_slice: dimension
 * `dim` (whole in the operand, extent `extent`) is cut to this device's block.
 * `axes` is an axis mask of ir/sharding.h. */
typedef struct ShardAttr {
    int32_t dim;
    uint8_t axes;
    uint8_t outer_axes; /* axes already splitting the dim (major), for nested
                           blocks; the start is relative to that block for
                           shard_slice, absolute for shard_start */
    int64_t extent;     /* global extent of the whole dimension */
} ShardAttr;
/* permute: axes has two bits, of equal size, that exchange coordinates;
 * accumulate: the microbatch axis. */
typedef struct CollectiveAttr {
    uint8_t axes; /* the group: devices that differ in these axes only */
    ReduceOp operator;
} CollectiveAttr;
typedef struct TransferAttr {
    int32_t transfer; /* program->transfers */
} TransferAttr;

typedef union Attr {
    InputAttr input;
    VariableAttr variable;
    ConstantAttr constant;
    IotaAttr iota;
    ScalarAttr scalar;
    RandomAttr random;
    BroadcastAttr broadcast;
    PermuteAttr permute;
    WindowAttr window;
    SpatialAttr spatial;
    ReduceAttr reduce;
    DotAttr dot;
    ScatterAttr scatter;
    EpsilonAttr epsilon;
    ShardAttr shard;
    CollectiveAttr collective;
    TransferAttr transfer;
} Attr;

/* Which arm of Attr an op uses: the column `attr` of ir/ops.def.  `none` has
 * no attribute; `shape` neither, but its result's type is given. */
typedef enum AttrKind {
    ATTR_none,
    ATTR_input,
    ATTR_variable,
    ATTR_constant,
    ATTR_iota,
    ATTR_scalar,
    ATTR_random,
    ATTR_broadcast,
    ATTR_shape,
    ATTR_permute,
    ATTR_window,
    ATTR_spatial,
    ATTR_reduce,
    ATTR_dot,
    ATTR_scatter,
    ATTR_epsilon,
    ATTR_shard,
    ATTR_collective,
    ATTR_transfer,
} AttrKind;

/* The table's columns for one op. */
typedef struct OpInfo {
    const char *text;
    int32_t n_operands; /* -1: any number >= 1 */
    AttrKind attr;
    int32_t work_flops; /* per point of the index space */
    uint8_t linear[3];  /* operand masks; 0 ends the list */
    uint32_t traits;
} OpInfo;

const OpInfo *op_info(Op op);
bool op_parse(Str text, Op *out);
/* Whether two attributes of one op mean the same (numbers compared by their
 * bits); arms the op does not use are not looked at. */
bool attr_equal(Op op, const Attr *a, const Attr *b);

static inline bool op_has(Op op, Trait trait)
{
    return (op_info(op)->traits & (uint32_t)trait) != 0;
}

#endif

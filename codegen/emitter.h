/* Emitter: the state of emitting one kernel: loops, index expressions, memo.
 *
 * Two ideas carry the lowering.
 *
 * Indices are symbolic.  An element of a value is named by its row-major
 * offset, an affine form over loop variables:  768 * i + j.  A reshape keeps
 * the offset; a transpose takes it apart by division and puts it together
 * again.  Division of a form is exact when the loops are split where the
 * shapes are: a division that crosses a loop variable *asks* for the split
 * and, when emission is over, the kernel is emitted again with it.  So loops
 * end up with exactly the factor structure that the kernel's reshapes and
 * broadcasts need, and no division is left in them.
 *
 * Scopes hoist by construction.  A scope is the function or the body of an
 * open loop, and every instruction is put into the outermost scope where its
 * index is known, before the loops inside.  A reduction that does not depend
 * on an inner loop therefore runs outside it.
 */
#ifndef DNNC_CODEGEN_EMITTER_H
#define DNNC_CODEGEN_EMITTER_H

#include "codegen/build.h"
#include "ir/kernel.h"

enum {
    INDEX_TERMS_MAX = 16,
    RANGE_LOOPS_MAX = 16,
    CARRIED_MAX = 2,
};

/* One loop variable (or a value only known at run time) times a factor. */
typedef struct IndexTerm {
    int32_t variable;
    int64_t scale;
} IndexTerm;

/* constant + sum of scale * variable, terms by increasing variable; unused
 * terms are zero, so equal forms are equal bytes. */
typedef struct Index {
    int64_t constant;
    int64_t n_terms;
    IndexTerm term[INDEX_TERMS_MAX];
} Index;

typedef struct Scope Scope;

/* What an index is made of: an integer in [0, extent). */
typedef struct IndexVariable {
    LLVMValueRef value; /* i64 */
    Scope *scope;       /* where it is known */
    int64_t extent;
    int32_t range; /* the range it is a loop of; RANGE_NONE: computed */
    int64_t unit;  /* the range's value grows by this with the loop's */
} IndexVariable;

enum { RANGE_NONE = -1, RANGE_ROOT = 0 };

/* A value and the scope in which it is available. */
typedef struct Element {
    LLVMValueRef value;
    Scope *scope;
} Element;

typedef struct Memo {
    int32_t node; /* 0: the value of the index itself */
    Index at;
    Element element;
} Memo;

/* Elements [base, base + extent) of a node, kept in memory (row.c). */
typedef struct Row {
    int32_t node;
    Index base;
    int64_t extent;
    LLVMValueRef storage; /* pointer */
} Row;

struct Scope {
    Scope *parent; /* NULL: the function */
    int32_t depth;
    LLVMBasicBlockRef block;  /* where its next instruction goes */
    LLVMBasicBlockRef header; /* loops: the first block of the body */
    LLVMValueRef counter;     /* loops */
    int64_t extent;           /* loops */
    bool has_loops;           /* loops were opened inside */
    int32_t n_carried;
    LLVMValueRef initial[CARRIED_MAX]; /* before the first iteration */
    LLVMValueRef carried[CARRIED_MAX]; /* of the last iteration */
    VECTOR(Memo) memos;
    VECTOR(Row) rows;
};

/* The sizes at which the loop over a range is split, increasing, each a
 * divisor of the next: split {64}: i = 64 * outer + inner. */
typedef struct RangeSplit {
    int32_t range;
    VECTOR(int64_t) units;
} RangeSplit;
typedef struct RangeSplits {
    Arena arena;
    VECTOR(RangeSplit) list;
} RangeSplits;

typedef struct Emitter {
    Arena *arena;
    Build build;
    const KernelBody *body;
    const LogicalMesh *mesh;
    LLVMValueRef function;
    Scope *top;            /* the function's scope */
    LLVMValueRef *buffers; /* pointers, in order of body->operands */
    LLVMValueRef result;   /* pointer */
    LLVMValueRef context;  /* pointer to KernelContext */
    LLVMValueRef *streams; /* node -> i32, of random numbers */
    int32_t *operand_of;   /* node -> 1 + index into body->operands, or 0 */
    int32_t *uses;         /* node -> how many operands of the body name it */
    int32_t *work;  /* node -> operations of one element, computed anew */
    int32_t *folds; /* node -> reductions in a row that lead to it */
    int32_t n_rows;
    VECTOR(IndexVariable) variables;
    RangeSplits *splits; /* survive from one emission to the next */
    bool split_asked;    /* a split was added: emit again */
} Emitter;

/* -- scopes (scope.c) ---------------------------------------------------- */

/* Points the builder at the end of `scope`. */
void scope_enter(const Emitter *e, const Scope *scope);
/* The inner one of two scopes on one path. */
Scope *scope_inner(Scope *a, Scope *b);
const Memo *scope_recall(const Scope *scope, int32_t node, const Index *at);
void scope_remember(Emitter *e, Scope *scope, int32_t node, const Index *at,
                    Element element);

/* Opens `for (counter = 0; counter < extent; counter++)` inside `parent`,
 * extent >= 1.  carried[i] starts as initial[i]. */
Scope *loop_open(Emitter *e, Scope *parent, int64_t extent, int32_t n_carried,
                 const LLVMValueRef *initial);
/* Ends the loop; next[i] is what carried[i] becomes and, in the parent's
 * scope from here on, its final value. */
void loop_close(Emitter *e, Scope *loop, const LLVMValueRef *next);

/* A range [0, extent) run by a nest of loops, one for each of its splits. */
typedef struct Range {
    Index index; /* the range's value, in the innermost loop */
    Scope *scope;
    int32_t n_loops;
    Scope *loops[RANGE_LOOPS_MAX]; /* outermost first */
    LLVMValueRef carried[CARRIED_MAX];
} Range;

/* `range` names the range for splits: RANGE_ROOT or a number made of the
 * node that folds. */
Range range_open(Emitter *e, Scope *parent, int32_t range, int64_t extent,
                 int32_t n_carried, const LLVMValueRef *initial);
void range_close(Emitter *e, Range *range, const LLVMValueRef *next);

/* -- indices (index.c) --------------------------------------------------- */

Index index_constant(int64_t value);
Index index_add(Index a, Index b);
Index index_scale(Index a, int64_t factor);
/* The least and greatest value. */
void index_bounds(const Emitter *e, const Index *a, int64_t *low,
                  int64_t *high);
/* The outermost scope where all its variables are known. */
Scope *index_scope(const Emitter *e, const Index *a);
/* a = divisor * quotient + remainder, 0 <= remainder < divisor. */
void index_divide(Emitter *e, Index a, int64_t divisor, Index *quotient,
                  Index *remainder);
/* Takes an offset into an array of the given extents apart. */
void index_split(Emitter *e, Index offset, int32_t n, const int64_t *extents,
                 Index *components);
/* The index as an i64, in its scope. */
LLVMValueRef index_value(Emitter *e, const Index *a);
/* A new variable holding `value`, an i64 in [0, extent) known in `scope`. */
Index index_computed(Emitter *e, LLVMValueRef value, Scope *scope,
                     int64_t extent);
/* Whether 0 <= a < extent: NULL value when always; `*inside` is `a` where it
 * is, and some index in the range where not. */
Element index_in_range(Emitter *e, Index a, int64_t extent, Index *inside);

/* Asks for a split of a range's loops; refused quietly where it does not
 * nest with the others. */
void range_ask_split(Emitter *e, int32_t range, int64_t extent, int64_t unit);
bool range_is_split(const Emitter *e, int32_t range);

/* -- elements (element.c, element_*.c) ----------------------------------- */

/* The element of a node's value at an offset: the one definition of what ops
 * compute.  It says nothing about loops over the kernel's result. */
Element element(Emitter *e, NodeId node, Index at);

/* -- kernels (nest.c) ---------------------------------------------------- */

/* The loops over the kernel's result: what a target maps to its machine. */
void kernel_nest(Emitter *e);

#endif

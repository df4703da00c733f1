/* Scopes: the open loops of a kernel, and what is known in each.
 *
 * A loop's entry is linked only when the loop is closed, so until then its
 * parent can still grow before it: that is how values are hoisted.
 */
#include "codegen/emitter.h"

#include <assert.h>
#include <llvm-c/DebugInfo.h>
#include <string.h>

/* Shorter loops are better written out, longer ones LLVM leaves whole. */
enum { ROLLED_EXTENT_MIN = 4, ROLLED_EXTENT_MAX = 64 };

void scope_enter(const Emitter *e, const Scope *scope)
{
    LLVMPositionBuilderAtEnd(e->build.builder, scope->block);
}

Scope *scope_inner(Scope *a, Scope *b)
{
    return a->depth >= b->depth ? a : b;
}

static bool index_equal(const Index *a, const Index *b)
{
    return a->constant == b->constant && a->n_terms == b->n_terms &&
           memcmp(a->term, b->term, (size_t)a->n_terms * sizeof(a->term[0])) ==
               0;
}

const Memo *scope_recall(const Scope *scope, int32_t node, const Index *at)
{
    for (int64_t i = 0; i < scope->memos.count; i++) {
        const Memo *memo = &scope->memos.data[i];
        if (memo->node == node && index_equal(&memo->at, at))
            return memo;
    }
    return NULL;
}

void scope_remember(Emitter *e, Scope *scope, int32_t node, const Index *at,
                    Element element)
{
    *vector_push(e->arena, &scope->memos) = (Memo){node, *at, element};
}

Scope *loop_open(Emitter *e, Scope *parent, int64_t extent, int32_t n_carried,
                 const LLVMValueRef *initial)
{
    assert(extent >= 1 && n_carried <= CARRIED_MAX);
    Scope *loop = arena_new(e->arena, Scope, 1);
    loop->parent = parent;
    loop->depth = parent->depth + 1;
    loop->extent = extent;
    parent->has_loops = true;
    loop->header =
        LLVMAppendBasicBlockInContext(e->build.context, e->function, "loop");
    loop->block = loop->header;
    scope_enter(e, loop);
    loop->counter = LLVMBuildPhi(e->build.builder, e->build.i64, "i");
    loop->n_carried = n_carried;
    for (int32_t i = 0; i < n_carried; i++) {
        loop->carried[i] =
            LLVMBuildPhi(e->build.builder, LLVMTypeOf(initial[i]), "carried");
        loop->initial[i] = initial[i];
    }
    return loop;
}

static void phi_edges(LLVMValueRef phi, LLVMValueRef from_entry,
                      LLVMBasicBlockRef entry, LLVMValueRef from_latch,
                      LLVMBasicBlockRef latch)
{
    LLVMAddIncoming(phi, (LLVMValueRef[]){from_entry, from_latch},
                    (LLVMBasicBlockRef[]){entry, latch}, 2);
}

/* Keeps a short innermost loop from being unrolled away before the vectorizer
 * has seen it, which would then vectorize the loop around it with gathers. */
static void keep_rolled(const Build *b, LLVMValueRef latch)
{
    static const char loop[] = "llvm.loop", rule[] = "llvm.loop.unroll.disable";
    LLVMMetadataRef text =
        LLVMMDStringInContext2(b->context, rule, sizeof(rule) - 1);
    LLVMMetadataRef self = LLVMTemporaryMDNode(b->context, NULL, 0);
    LLVMMetadataRef nodes[] = {self,
                               LLVMMDNodeInContext2(b->context, &text, 1)};
    LLVMMetadataRef identity = LLVMMDNodeInContext2(b->context, nodes, 2);
    LLVMMetadataReplaceAllUsesWith(self, identity);
    LLVMSetMetadata(
        latch, LLVMGetMDKindIDInContext(b->context, loop, sizeof(loop) - 1),
        LLVMMetadataAsValue(b->context, identity));
}

void loop_close(Emitter *e, Scope *loop, const LLVMValueRef *next)
{
    const Build *b = &e->build;
    Scope *parent = loop->parent;
    LLVMBasicBlockRef entry = parent->block, latch = loop->block;
    scope_enter(e, parent);
    LLVMBuildBr(b->builder, loop->header);

    scope_enter(e, loop);
    LLVMValueRef counter =
        LLVMBuildAdd(b->builder, loop->counter, build_i64(b, 1), "");
    LLVMSetNSW(counter, 1);
    LLVMSetNUW(counter, 1);
    LLVMBasicBlockRef exit =
        LLVMAppendBasicBlockInContext(b->context, e->function, "done");
    LLVMValueRef end =
        build_icmp(b, LLVMIntEQ, counter, build_i64(b, loop->extent));
    LLVMValueRef branch = LLVMBuildCondBr(b->builder, end, exit, loop->header);
    if (!loop->has_loops && loop->extent >= ROLLED_EXTENT_MIN &&
        loop->extent <= ROLLED_EXTENT_MAX)
        keep_rolled(b, branch);
    phi_edges(loop->counter, build_i64(b, 0), entry, counter, latch);
    for (int32_t i = 0; i < loop->n_carried; i++)
        phi_edges(loop->carried[i], loop->initial[i], entry, next[i], latch);
    parent->block = exit;
}

static const RangeSplit *find_split(const Emitter *e, int32_t range)
{
    for (int64_t i = 0; i < e->splits->list.count; i++)
        if (e->splits->list.data[i].range == range)
            return &e->splits->list.data[i];
    return NULL;
}

bool range_is_split(const Emitter *e, int32_t range)
{
    return find_split(e, range) != NULL;
}

/* True when units + {unit} still form a chain of divisors. */
static bool unit_nests(const RangeSplit *split, int64_t unit)
{
    for (int64_t i = 0; i < split->units.count; i++) {
        int64_t other = split->units.data[i];
        if (other == unit || (other > unit ? other % unit : unit % other) != 0)
            return false;
    }
    return split->units.count + 1 < RANGE_LOOPS_MAX;
}

void range_ask_split(Emitter *e, int32_t range, int64_t extent, int64_t unit)
{
    if (unit <= 1 || unit >= extent || extent % unit != 0)
        return;
    Arena *arena = &e->splits->arena;
    RangeSplit *split = NULL;
    for (int64_t i = 0; i < e->splits->list.count; i++)
        if (e->splits->list.data[i].range == range)
            split = &e->splits->list.data[i];
    if (!split) {
        split = vector_push(arena, &e->splits->list);
        split->range = range;
    }
    if (!unit_nests(split, unit))
        return;
    (void)vector_push(arena, &split->units);
    int64_t i = split->units.count - 1;
    for (; i > 0 && split->units.data[i - 1] > unit; i--)
        split->units.data[i] = split->units.data[i - 1];
    split->units.data[i] = unit;
    e->split_asked = true;
}

/* One loop of the range: its variable counts units of the range's value. */
static void range_loop(Emitter *e, Range *r, Scope *parent, int32_t range,
                       int64_t extent, int64_t unit, int32_t n_carried)
{
    Scope *loop = loop_open(e, parent, extent, n_carried, r->carried);
    for (int32_t i = 0; i < n_carried; i++)
        r->carried[i] = loop->carried[i];
    r->loops[r->n_loops++] = loop;
    r->scope = loop;
    int32_t variable = (int32_t)e->variables.count;
    *vector_push(e->arena, &e->variables) =
        (IndexVariable){loop->counter, loop, extent, range, unit};
    Index term = {.n_terms = 1, .term = {{variable, unit}}};
    r->index = index_add(r->index, term);
}

Range range_open(Emitter *e, Scope *parent, int32_t range, int64_t extent,
                 int32_t n_carried, const LLVMValueRef *initial)
{
    Range r = {.scope = parent};
    for (int32_t i = 0; i < n_carried; i++)
        r.carried[i] = initial[i];
    const RangeSplit *split = find_split(e, range);
    int64_t n = split ? split->units.count : 0;
    int64_t above = extent;
    for (int64_t i = n; i >= 0; i--) {
        int64_t unit = i > 0 ? split->units.data[i - 1] : 1;
        if (above / unit > 1)
            range_loop(e, &r, r.scope, range, above / unit, unit, n_carried);
        above = unit;
    }
    return r;
}

void range_close(Emitter *e, Range *range, const LLVMValueRef *next)
{
    for (int32_t i = range->n_loops; i-- > 0;)
        loop_close(e, range->loops[i], next);
}

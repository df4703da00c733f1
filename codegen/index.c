/* Indices: affine forms over loop variables, and their exact division. */
#include "codegen/emitter.h"

#include <assert.h>
#include <string.h>

static IndexVariable *variable_of(const Emitter *e, IndexTerm term)
{
    return &e->variables.data[term.variable];
}

Index index_constant(int64_t value)
{
    return (Index){.constant = value};
}

Index index_add(Index a, Index b)
{
    Index sum = {.constant = a.constant + b.constant};
    int64_t i = 0, j = 0;
    while (i < a.n_terms || j < b.n_terms) {
        IndexTerm term;
        if (j == b.n_terms ||
            (i < a.n_terms && a.term[i].variable < b.term[j].variable)) {
            term = a.term[i++];
        } else if (i == a.n_terms || b.term[j].variable < a.term[i].variable) {
            term = b.term[j++];
        } else {
            term = a.term[i++];
            term.scale += b.term[j++].scale;
        }
        assert(sum.n_terms < INDEX_TERMS_MAX);
        if (term.scale != 0)
            sum.term[sum.n_terms++] = term;
    }
    return sum;
}

Index index_scale(Index a, int64_t factor)
{
    if (factor == 0)
        return index_constant(0);
    a.constant *= factor;
    for (int64_t i = 0; i < a.n_terms; i++)
        a.term[i].scale *= factor;
    return a;
}

void index_bounds(const Emitter *e, const Index *a, int64_t *low, int64_t *high)
{
    *low = *high = a->constant;
    for (int64_t i = 0; i < a->n_terms; i++) {
        int64_t span =
            a->term[i].scale * (variable_of(e, a->term[i])->extent - 1);
        *(span < 0 ? low : high) += span;
    }
}

Scope *index_scope(const Emitter *e, const Index *a)
{
    Scope *scope = e->top;
    for (int64_t i = 0; i < a->n_terms; i++)
        scope = scope_inner(scope, variable_of(e, a->term[i])->scope);
    return scope;
}

Index index_computed(Emitter *e, LLVMValueRef value, Scope *scope,
                     int64_t extent)
{
    int32_t variable = (int32_t)e->variables.count;
    *vector_push(e->arena, &e->variables) =
        (IndexVariable){value, scope, extent, RANGE_NONE, 1};
    return (Index){.n_terms = 1, .term = {{variable, 1}}};
}

static LLVMValueRef no_wrap(LLVMValueRef value)
{
    if (LLVMIsAInstruction(value))
        LLVMSetNSW(value, 1);
    return value;
}

/* The term of the innermost scope: what the rest is added to last. */
static int64_t innermost_term(const Emitter *e, const Index *a)
{
    int64_t inner = 0;
    for (int64_t i = 1; i < a->n_terms; i++)
        if (variable_of(e, a->term[i])->scope->depth >=
            variable_of(e, a->term[inner])->scope->depth)
            inner = i;
    return inner;
}

LLVMValueRef index_value(Emitter *e, const Index *a)
{
    const Build *b = &e->build;
    if (a->n_terms == 0)
        return build_i64(b, a->constant);
    Scope *scope = index_scope(e, a);
    const Memo *memo = scope_recall(scope, 0, a);
    if (memo)
        return memo->element.value;
    int64_t inner = innermost_term(e, a);
    IndexTerm term = a->term[inner];
    Index outer = index_add(
        *a, (Index){.n_terms = 1, .term = {{term.variable, -term.scale}}});
    LLVMValueRef rest = index_value(e, &outer);
    scope_enter(e, scope);
    LLVMValueRef value = variable_of(e, term)->value;
    if (term.scale != 1)
        value = no_wrap(
            LLVMBuildMul(b->builder, value, build_i64(b, term.scale), ""));
    if (outer.n_terms != 0 || outer.constant != 0)
        value = no_wrap(LLVMBuildAdd(b->builder, rest, value, ""));
    scope_remember(e, scope, 0, a, (Element){value, scope});
    return value;
}

/* rest crosses multiples of `divisor`: ask for the loops that would not. */
static void ask_splits(Emitter *e, const Index *rest, int64_t divisor)
{
    for (int64_t i = 0; i < rest->n_terms; i++) {
        int64_t scale = rest->term[i].scale;
        const IndexVariable *v = variable_of(e, rest->term[i]);
        if (v->range == RANGE_NONE || scale <= 0 || divisor % scale != 0)
            continue;
        int64_t inner = divisor / scale;
        if (inner < v->extent && v->extent % inner == 0)
            range_ask_split(e, v->range, v->extent * v->unit, inner * v->unit);
    }
}

/* Real division: `rest` / divisor as instructions. */
static void divide_at_run_time(Emitter *e, Index rest, int64_t low,
                               int64_t high, int64_t divisor, Index *quotient,
                               Index *remainder)
{
    const Build *b = &e->build;
    int64_t lift = low < 0 ? (-low + divisor - 1) / divisor : 0;
    rest.constant += lift * divisor;
    LLVMValueRef value = index_value(e, &rest);
    Scope *scope = index_scope(e, &rest);
    scope_enter(e, scope);
    LLVMValueRef by = build_i64(b, divisor);
    LLVMValueRef q = LLVMBuildUDiv(b->builder, value, by, "");
    LLVMValueRef r = LLVMBuildURem(b->builder, value, by, "");
    int64_t quotients = (high + lift * divisor) / divisor + 1;
    *quotient = index_add(index_computed(e, q, scope, quotients),
                          index_constant(-lift));
    *remainder = index_computed(e, r, scope, divisor);
}

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && a < 0);
}

void index_divide(Emitter *e, Index a, int64_t divisor, Index *quotient,
                  Index *remainder)
{
    Index whole = index_constant(floor_divide(a.constant, divisor));
    Index rest = index_constant(a.constant - whole.constant * divisor);
    for (int64_t i = 0; i < a.n_terms; i++) {
        IndexTerm term = a.term[i];
        if (term.scale % divisor == 0) {
            term.scale /= divisor;
            whole.term[whole.n_terms++] = term;
        } else {
            rest.term[rest.n_terms++] = term;
        }
    }
    int64_t low, high;
    index_bounds(e, &rest, &low, &high);
    if (low >= 0 && high < divisor) {
        *quotient = whole;
        *remainder = rest;
        return;
    }
    ask_splits(e, &rest, divisor);
    Index more;
    divide_at_run_time(e, rest, low, high, divisor, &more, remainder);
    *quotient = index_add(whole, more);
}

void index_split(Emitter *e, Index offset, int32_t n, const int64_t *extents,
                 Index *components)
{
    for (int32_t i = n; i-- > 1;)
        index_divide(e, offset, extents[i], &offset, &components[i]);
    if (n > 0)
        components[0] = offset;
}

static int64_t greatest_common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a < 0 ? -a : a;
}

static bool divides_exactly(Emitter *e, const Index *a, int64_t unit)
{
    int64_t low = 0, high = 0;
    Index rest = index_constant(a->constant % unit);
    for (int64_t i = 0; i < a->n_terms; i++)
        if (a->term[i].scale % unit != 0)
            rest.term[rest.n_terms++] = a->term[i];
    index_bounds(e, &rest, &low, &high);
    if (low >= 0 && high < unit)
        return true;
    ask_splits(e, &rest, unit);
    return false;
}

/* The test in blocks: a window that begins and ends at multiples of `unit`
 * is tested on the loop over blocks, which leaves the loop inside a block
 * free of it. */
static Element in_range_by_blocks(Emitter *e, Index a, int64_t unit,
                                  int64_t extent, Index *inside)
{
    Index block, rest;
    index_divide(e, a, unit, &block, &rest);
    Element test = index_in_range(e, block, extent / unit, inside);
    *inside = index_add(index_scale(*inside, unit), rest);
    return test;
}

Element index_in_range(Emitter *e, Index a, int64_t extent, Index *inside)
{
    const Build *b = &e->build;
    int64_t low, high;
    index_bounds(e, &a, &low, &high);
    *inside = a;
    if (low >= 0 && high < extent)
        return (Element){NULL, e->top};
    int64_t unit = greatest_common_divisor(a.constant, extent);
    if (unit > 1 && divides_exactly(e, &a, unit))
        return in_range_by_blocks(e, a, unit, extent, inside);
    LLVMValueRef value = index_value(e, &a);
    Scope *scope = index_scope(e, &a);
    scope_enter(e, scope);
    LLVMValueRef test = build_icmp(b, LLVMIntULT, value, build_i64(b, extent));
    LLVMValueRef clamped = build_select(b, test, value, build_i64(b, 0));
    *inside = index_computed(e, clamped, scope, extent);
    return (Element){test, scope};
}

/* Lower: running a model's text at compile time, which appends its graph.
 *
 * Lowering is an interpreter.  Numbers, tuples, functions and modules are
 * computed; tensors are nodes of the graph under construction.  A mistake is
 * diagnosed where the user can mend it and gives a *poison* value, about which
 * nothing more is said.  The text is run once with `training` true and once
 * with false, which gives the graphs `train` and `eval`.
 *
 * Names.  A call's *path* is its frame's path, the label it is bound to, the
 * indices of the loops around it and the callee's name:
 *
 *     up = linear(x, n)           up              in frame block.3: block.3.up
 *     h = relu(linear(x, n))      h.linear
 *     x = block(x)                block           (a rebinding is no label)
 *     for l in 0..4 { x = block(x) }      block.0 .. block.3
 *
 * Parameters are named path.name; nodes path.op.
 */
#ifndef DNNC_FRONTEND_LOWER_H
#define DNNC_FRONTEND_LOWER_H

#include "frontend/ast.h"
#include "frontend/frontend.h"
#include "ir/graph.h"

enum {
    LOWER_DEPTH_MAX = 800,    /* nested evaluations */
    LOWER_FRAMES_MAX = 100,   /* nested calls */
    LOWER_WORK_MAX = 2000000, /* evaluations in all */
    LOWER_NODES_MAX = 200000, /* of one graph */
    LOWER_ERRORS_MAX = 100,   /* diagnostics before giving up */
    TUPLE_ITEMS_MAX = 4096,
    PATH_LENGTH_MAX = 1000,
    PARAMETERS_MAX = 64, /* of a function */
    ARGUMENTS_MAX = 16,  /* of a builtin */
};

typedef struct Value Value;
typedef struct Scope Scope;
typedef struct Builtin Builtin;
typedef struct Lowering Lowering;

typedef enum ValueKind {
    VALUE_POISON, /* was diagnosed */
    VALUE_NONE,   /* absent: an argument left out, a call without result */
    VALUE_INT,
    VALUE_FLOAT,
    VALUE_BOOL,
    VALUE_STRING,
    VALUE_TUPLE,
    VALUE_TENSOR,
    VALUE_FUNCTION,
    VALUE_MODULE,
    VALUE_BUILTIN,
    VALUE_INSTANCE,    /* of a module */
    VALUE_INITIALIZER, /* first value of a parameter */
} ValueKind;

typedef struct Initializer {
    bool is_random;
    Distribution distribution;
    double a, b; /* constant a; uniform in [a, b); normal mean a, deviation b */
} Initializer;

struct Value {
    ValueKind kind;
    Span span; /* where it was made, for notes */
    union {
        int64_t integer;
        double real;
        bool boolean;
        Str text;
        struct {
            const Value *items;
            int64_t count;
        } tuple;
        NodeId node;
        struct { /* FUNCTION, MODULE, INSTANCE */
            const Stmt *declaration;
            Scope *scope;
            Str path;       /* of the instance; else empty */
            bool is_method; /* runs under the instance's path */
        } function;
        const Builtin *builtin;
        Initializer initializer;
    } as;
};

typedef struct Binding {
    Value value;
    Span span; /* where the name was bound */
} Binding;

/* Names of one block; inner blocks see outer ones. */
struct Scope {
    Scope *parent;
    bool is_function; /* assignments do not reach beyond */
    Map names;        /* to index in bindings */
    VECTOR(Binding) bindings;
};

/* One activation of a function or module body. */
typedef struct Frame {
    struct Frame *caller;
    Str name;    /* of the function, for notes */
    Span call;   /* where it was called */
    Str path;    /* "block.3" */
    Str indices; /* of the loops: ".0.2" */
    Str label;   /* of the statement; may be empty */
    bool fresh;  /* the label names calls too */
    Scope *scope;
    int64_t n_frames;
    bool may_return; /* the body of a function */
    bool returned;
    Value result;
    Shape leading; /* what `...` stands for in the signature */
    bool has_leading;
} Frame;

typedef struct Declared { /* a parameter or state, by variable index */
    Value initial;
    bool updated;
    Span updated_span;
} Declared;

struct Lowering {
    Arena *arena;
    Diagnostics *diagnostics;
    Graph *graph;
    bool training;
    Scope *library, *global;
    Frame *frame;
    int32_t library_source;
    int64_t work, depth;
    bool stopped; /* a limit was reached and diagnosed */
    const Stmt *model, *train;
    VECTOR(Declared) declared; /* by variable index */
    Map variables;             /* name to variable index */
    Map outputs;               /* name of loss, metric or output to index in
                                  output_spans */
    VECTOR(Span) output_spans;
};

/* -- diagnostics (complain.c) ---------------------------------------------- */

/* Where the user can mend a mistake at `span`: inside the library this is the
 * place that called it. */
Span complaint_place(const Lowering *l, Span span);
/* Adds "in library function" and "called here" notes. */
Diagnostic *complaint_trace(Lowering *l, Span span, Diagnostic *diagnostic);
#define complain(l, span, id, ...)                                           \
    complaint_trace((l), (span),                                             \
                    diagnose((l)->diagnostics, complaint_place((l), (span)), \
                             id __VA_OPT__(, ) __VA_ARGS__))
/* "note: message" at a place in the user's text or the library. */
#define explain(l, diagnostic, span, ...) \
    diagnostic_note((l)->diagnostics, (diagnostic), (span), __VA_ARGS__)
#define advise(l, diagnostic, ...) \
    diagnostic_remedy((l)->diagnostics, (diagnostic), __VA_ARGS__)
/* Counts one unit of work; false when a limit stops the run. */
bool lower_step(Lowering *l, Span span);
/* Counts as many units, for what takes memory. */
bool lower_steps(Lowering *l, Span span, int64_t n);
/* The visible name closest to `name`, or an empty string. */
Str scope_nearest(const Scope *scope, Str name);

/* -- values (value.c) ------------------------------------------------------- */

static inline Value poison(Span span)
{
    return (Value){.kind = VALUE_POISON, .span = span};
}
static inline Value value_int(Span span, int64_t integer)
{
    return (Value){VALUE_INT, span, {.integer = integer}};
}
static inline Value value_real(Span span, double real)
{
    return (Value){VALUE_FLOAT, span, {.real = real}};
}
static inline Value value_bool(Span span, bool boolean)
{
    return (Value){VALUE_BOOL, span, {.boolean = boolean}};
}
static inline Value value_node(Span span, NodeId node)
{
    return (Value){VALUE_TENSOR, span, {.node = node}};
}
static inline bool is_poison(const Value *v)
{
    return v->kind == VALUE_POISON;
}
static inline bool is_number(const Value *v)
{
    return v->kind == VALUE_INT || v->kind == VALUE_FLOAT;
}
double value_number(const Value *v); /* of an INT or FLOAT */
Value value_tuple(Lowering *l, Span span, const Value *items, int64_t n);
/* "a whole number", "a tensor f32[4, 8]", ... */
Str value_describe(Lowering *l, const Value *v);
const Type *value_type(const Lowering *l, const Value *tensor);
/* Each diagnoses and returns false when the value is of another kind;
 * poison gives false and says nothing.  `what` names it in the message. */
bool need_int(Lowering *l, const Value *v, Span span, const char *what,
              int64_t *out);
bool need_number(Lowering *l, const Value *v, Span span, const char *what,
                 double *out);
bool need_bool(Lowering *l, const Value *v, Span span, const char *what,
               bool *out);
bool need_string(Lowering *l, const Value *v, Span span, const char *what,
                 Str *out);
/* A whole number or a tuple of them. */
bool need_ints(Lowering *l, const Value *v, Span span, const char *what,
               int64_t max, int64_t *out, int64_t *n);
bool need_shape(Lowering *l, const Value *v, Span span, Shape *out);
/* A tensor; numbers become constants of `dtype`. */
bool need_tensor(Lowering *l, const Value *v, Span span, const char *what,
                 NodeId *out);

/* -- scopes (scope.c) ------------------------------------------------------- */

Scope *scope_new(Lowering *l, Scope *parent, bool is_function);
Binding *scope_find(Scope *scope, Str name);
/* Like scope_find, but not beyond the function's own scope. */
Binding *scope_find_local(Scope *scope, Str name);
void scope_bind(Lowering *l, Scope *scope, Name name, Value value);

/* -- nodes (append.c) ------------------------------------------------------- */

Str path_join(Lowering *l, Str a, Str b);
/* A name with the loop indices around the statement: "block.3". */
Str path_indexed(Lowering *l, Str name);
Str call_path(Lowering *l, bool is_root, Str callee);
NodeOrigin origin_here(Lowering *l, Span span, const char *last);
/* Appends a node, or diagnoses that the operands do not fit. */
Value append(Lowering *l, Span span, Op op, const NodeId *operands, int32_t n,
             Attr attr, Type wanted);
Value append_unary(Lowering *l, Span span, Op op, NodeId x);
Value append_binary(Lowering *l, Span span, Op op, NodeId x, NodeId y);
Value append_constant(Lowering *l, Span span, double value, DType dtype);
Value append_reshape(Lowering *l, Span span, NodeId x, Shape shape);
Value append_transpose(Lowering *l, Span span, NodeId x, const int32_t *dims);
/* i32 0, 1, .. along `dim` of `shape`. */
Value append_iota(Lowering *l, Span span, Shape shape, int32_t dim);
/* Repeats `x` to `shape`: dimensions are matched from the last, those of
 * extent 1 or absent are repeated. */
Value append_stretch(Lowering *l, Span span, NodeId x, Shape shape);
/* The counters of `random` over `shape`: high is the leading index, low the
 * linear index of the rest. */
bool append_counters(Graph *graph, Shape shape, NodeOrigin origin,
                     NodeId counters[2]);

/* -- evaluation -------------------------------------------------------------- */

/* `is_root`: the whole right side of a binding, whose label names the call. */
Value eval(Lowering *l, const Expr *expr, bool is_root);
Value eval_unary(Lowering *l, const Expr *expr);
Value eval_binary(Lowering *l, const Expr *expr);
/* The operator on two values. */
Value apply_binary(Lowering *l, Span span, Operator operator, const Value * a,
                   const Value *b);
Value apply_map(Lowering *l, Span span, Op op, const Value *x);
/* Brings two values to one type; false after a diagnostic. */
bool unify(Lowering *l, Span span, const Value *a, const Value *b,
           NodeId operands[2]);
Value eval_call(Lowering *l, const Expr *expr, bool is_root);
/* Runs the statements; stops after a return. */
void exec_block(Lowering *l, const StmtList *statements);
void exec_declaration(Lowering *l, const Stmt *stmt);
/* The product of einsum and `@`. */
Value apply_matmul(Lowering *l, Span span, const Value *a, const Value *b);

/* Diagnoses, after a clean run, what no run has looked at: names in functions
 * that are not called and branches that are not taken (names.c). */
void check_names(Lowering *l, const StmtList *program);

/* -- types (signature.c) ------------------------------------------------------ */

/* A type whose dimensions are all known; false after a diagnostic. */
bool resolve_type(Lowering *l, const TypeRef *ref, Type *out);
/* Checks `v` against a parameter's type, binding dimension names that are not
 * bound yet; numbers become constants. */
bool match_type(Lowering *l, const TypeRef *ref, Name name, Value *v,
                Span argument);
bool match_result(Lowering *l, const TypeRef *ref, Value *v,
                  const Stmt *function);

/* -- builtins (builtin.c) ------------------------------------------------------ */

typedef struct Call {
    const Builtin *builtin;
    Span span;
    Value argument[ARGUMENTS_MAX]; /* VALUE_NONE when left out */
    Span argument_span[ARGUMENTS_MAX];
} Call;
typedef Value BuiltinFunction(Lowering *l, const Call *call);
struct Builtin {
    const char *name;
    const char *signature; /* "x, dims?, keep?" */
    BuiltinFunction *function;
};
const Builtin *builtin_find(Str name);
const Builtin *builtin_at(int64_t i); /* NULL past the end */

/* -- the model's ends ----------------------------------------------------------- */

/* init graph from the declared first values (initial.c). */
Graph *lower_initial(Lowering *l);
/* The `train` block (training.c); false after diagnostics. */
bool lower_training(Lowering *l, Training *out);

#endif

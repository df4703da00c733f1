/* Random text: templates, and the growing of a text. */
#include "tests/property/random_text.h"

#include <string.h>

enum { VALUES_MAX = 64, TRIES_MAX = 60 };

/* $v a value, $n a small number, $d a dimension, # the statement's number.  A
 * statement that begins with ! jumps: equal up to rounding may become unequal
 * by more. */
static const char *const STATEMENTS[] = {
    "v# = exp(-($v * $v))",
    "v# = log(1 + $v * $v)",
    "v# = tanh($v)",
    "v# = sqrt($v * $v + 0.5)",
    "v# = rsqrt($v * $v + 0.5)",
    "v# = sin($v)",
    "v# = cos($v)",
    "v# = abs($v)",
    "v# = gelu($v)",
    "v# = relu($v)",
    "v# = sigmoid($v)",
    "v# = silu($v)",
    "v# = log_softmax($v)",
    "v# = -$v",
    "v# = $v + $v",
    "v# = $v - 0.25 * $v",
    "v# = tanh($v * $v)",
    "v# = $v / (1 + $v ** 2)",
    "v# = (1 + $v ** 2) ** 0.5",
    "v# = (1 + $v ** 2) ** tanh($v)",
    "v# = tanh($v @ $v)",
    "v# = maximum($v, $v)",
    "v# = minimum($v, 0.5)",
    "v# = stop_gradient($v)",
    "v# = softmax($v)",
    "v# = standardize($v, 0.1)",
    "v# = rms_standardize($v, 0.1)",
    "v# = mean($v)",
    "v# = mean($v, $d)",
    "v# = mean($v, ($d, $d), keep = true)",
    "v# = tanh(sum($v, $d))",
    "v# = max($v, $d)",
    "v# = max($v, $d, keep = true)",
    "v# = max($v)",
    "v# = reshape($v, ($n, $n))",
    "v# = reshape($v, (batch, -1))",
    "v# = reshape($v, (-1, $n))",
    "v# = reshape($v, -1)",
    "v# = reshape($v, (-1, $n, $n))",
    "v# = flatten($v)",
    "v# = transpose($v, (1, 0))",
    "v# = transpose($v, (0, 2, 1))",
    "v# = transpose($v, (3, 1, 0, 2))",
    "v# = broadcast($v, ($n, $n))",
    "v# = broadcast($v, (batch, $n))",
    "v# = pad($v, ($n, $n), ($n, 0))",
    "v# = pad($v, (0, $n, $n), (0, $n, 0))",
    "v# = concat(($v, $v), $d)",
    "v# = concat(($v, $v, $v))",
    "v# = $v[$n]",
    "v# = $v[-1]",
    "v# = $v[:, $n]",
    "v# = $v[:, 1:]",
    "v# = $v[:-1]",
    "v# = $v[..., 0]",
    "v# = unfold($v, $n)",
    "v# = unfold($v, 2, 1, 1)",
    "v# = max_pool($v, 2)",
    "v# = max_pool($v, $n, $n, 1)",
    "v# = avg_pool($v, 2)",
    "v# = global_avg_pool($v)",
    "v# = conv2d($v, $n, 3, padding = 1)",
    "v# = conv2d($v, $n, ($n, $n), stride = 2, bias = false)",
    "v# = batchnorm($v)",
    "v# = batchnorm($v, samples = 2)",
    "v# = linear($v, $n)",
    "v# = linear($v, $n, bias = false)",
    "v# = layernorm($v)",
    "v# = rmsnorm($v)",
    "v# = attention($v, 1)",
    "v# = attention($v, 2, causal = true)",
    "v# = dropout($v, 0.5)",
    "v# = matmul($v, $v, transposed = true)",
    "v# = tanh(einsum(\"ab,cb->ac\", $v, $v))",
    "v# = tanh(einsum(\"ab,ac->bc\", $v, $v))",
    "v# = tanh(einsum(\"abc,abd->acd\", $v, $v))",
    "v# = tanh(einsum(\"a,b->ab\", $v, $v))",
    "v# = tanh(einsum(\"ab,ab->\", $v, $v))",
    "v# = einsum(\"ab->ba\", $v)",
    "v# = einsum(\"ab->a\", $v)",
    "v# = tanh(einsum(\"ab,bc,cd->ad\", $v, $v, $v))",
    "v# = convolve($v, $v)",
    "v# = embedding(9, $n)(labels)",
    "v# = embedding(9, $n)(tokens)",
    "v# = embedding(9, $n)(i32($n * $v))",
    "v# = gather($v, labels)",
    "v# = gather($v, iota($n))",
    "v# = cross_entropy($v, labels)",
    "v# = cross_entropy($v, tokens)",
    "v# = squared_error($v, $v)",
    "v# = select($v < 0, $v, $v)",
    "v# = select(iota(shape($v), $d) < $n, $v, 0)",
    "v# = f32(iota(($n, $n), 1)) * 0.1",
    "v# = f32(step()) * $v",
    "v# = f32(labels)",
    "v# = f32(labels // 2) * f32(tokens[:, 0] % 3)",
    "v# = f32(labels * labels - tokens[:, 1]) * 0.1",
    "v# = f32(sum(tokens, $d)) * 0.1",
    "v# = f32(max(tokens, $d)) * 0.1",
    "v# = full(($n, $n), 0.5)",
    "v# = full((batch, $n), 0.5)",
    "v# = 0.3 * random_normal(shape($v))",
    "v# = random_uniform(($n, $n))",
    "v# = random_uniform((batch, $n))",
    "param v#: [$n] = normal(0, 0.4)",
    "param v#: [$n, $n] = normal(0, 0.4)",
    "param v#: f32 = 0.5",
    "for i# in 0..2 { v# = linear($v, $n) }",
    "v# = if training then $v else -$v",
    "state v#: [$n] = 0.5\nupdate v# = $v",
    "state v#: [$n] = 0.5\nupdate v# = 0.9 * v# + 0.1 * mean($v, 0)",
    "state v#: [$n, $n] = 0.5\nupdate v# = maximum(v#, max($v, 0))",
    "state v#: f32 = 0.5\nupdate v# = 0.9 * v# + 0.1 * mean($v)",
    "state v#: f32 = 0.5\nupdate v# = maximum(v#, max($v))",
    "state v#: f32 = 0\nupdate v# = v# + 1",
    "state v#: f32 = 0.5\nupdate v# = max($v) * tanh(sum($v))",
    "state v#: [batch] = 0.5\nupdate v# = $v",
    "!v# = sign($v)",
    "!v# = floor(4 * $v)",
    "!v# = f32(argmax($v))",
    "!v# = f32(argmax($v, $d))",
    "!v# = correct($v, labels)",
    "!v# = $v == $v",
    "!v# = not ($v <= $v)",
    "!v# = select($v > 0.1, $v, 0)",
    "!v# = f32(i32(4 * $v))",
    "!v# = $v % 0.7",
    "!v# = gather($v, i32(3 * $v))",
};
enum { N_STATEMENTS = sizeof STATEMENTS / sizeof STATEMENTS[0] };

static const char *const LOSSES[] = {
    "mean($v)", "mean($v * $v)",       "mean(cross_entropy($v, labels))",
    "max($v)",  "mean($v, 0)",         "tanh(sum($v))",
    "$v",       "mean($v) + mean($v)",
};
static const char *const OPTIMIZERS[] = {
    "sgd(lr = 0.005)",
    "sgd(lr = 0.005, momentum = 0.9, nesterov = true, decay = 0.01)",
    "adam(lr = 0.002, epsilon = 0.1)",
    "adamw(lr = warmup(0.002, 3), epsilon = 0.1, decay = 0.1 on matrices)",
};

typedef struct Writer {
    Random *random;
    Arena *arena;
    Str text; /* without loss and train block */
    int32_t values[VALUES_MAX], n_values;
    int32_t number; /* of the next statement */
} Writer;

/* The newest values are the most likely. */
static void write_value(Writer *w, Text *out)
{
    int64_t newest = w->n_values - 1;
    int64_t i = random_chance(w->random, 50)
                    ? newest
                    : random_between(w->random, 0, newest);
    text_format(out, "v%d", w->values[i]);
}

static Str filled(Writer *w, const char *template)
{
    static const int64_t NUMBERS[] = {1, 2, 3, 4, 5, 8};
    Text out = text_new(w->arena);
    for (const char *c = template; *c; c++) {
        if (*c == '#') {
            text_format(&out, "%d", w->number);
        } else if (*c != '$') {
            text_append(&out, (Str){c, 1});
        } else if (*++c == 'v') {
            write_value(w, &out);
        } else {
            int64_t n = *c == 'd' ? random_between(w->random, -3, 2)
                                  : NUMBERS[random_between(w->random, 0, 5)];
            text_format(&out, "%lld", (long long)n);
        }
    }
    text_append(&out, STR("\n"));
    return text_str(&out);
}

static bool is_legal(Str text, Arena *arena, Model *model)
{
    Diagnostics diagnostics = diagnostics_new(arena);
    int32_t source = diagnostics_add_source(&diagnostics, STR("random"), text);
    return frontend_model(arena, source, NULL, 0, &diagnostics, model);
}

static Str joined(Arena *arena, Str a, Str b)
{
    return str_format(arena, "%.*s%.*s", STR_ARG(a), STR_ARG(b));
}

/* Appends a statement that the front end takes; false when none was found. */
static bool add_statement(Writer *w, bool *continuous)
{
    for (int32_t i = 0; i < TRIES_MAX; i++) {
        const char *template =
            STATEMENTS[random_between(w->random, 0, N_STATEMENTS - 1)];
        bool jumps = *template == '!';
        Str longer = joined(w->arena, w->text, filled(w, template + jumps));
        Str whole = joined(w->arena, longer,
                           STR("loss = mean(v0)\n"
                               "train { optimizer sgd(lr = 0.1) }\n"));
        Model model;
        if (!is_legal(whole, w->arena, &model))
            continue;
        w->text = longer;
        *continuous &= !jumps;
        w->values[w->n_values++] = w->number++;
        return true;
    }
    return false;
}

/* A loss, perhaps a metric and an output, and a train block that together are
 * legal. */
static Str ending(Writer *w)
{
    Text out = text_new(w->arena);
    static const char *const PARTS[] = {"loss = ", "metric m = "};
    for (int part = 0; part < 2; part++) {
        if (part == 1 && random_chance(w->random, 50))
            continue;
        text_append(&out, str_from(PARTS[part]));
        int64_t row = random_chance(w->random, 60)
                          ? random_between(w->random, 0, 1)
                          : random_between(w->random, 0, 7);
        text_append(&out, filled(w, LOSSES[row]));
    }
    if (random_chance(w->random, 30))
        text_append(&out, filled(w, "output o = $v"));
    text_append(&out, STR("train {\n    optimizer "));
    text_append(&out, filled(w, OPTIMIZERS[random_between(w->random, 0, 3)]));
    if (random_chance(w->random, 40))
        text_append(&out, STR("    clip_norm = 0.5\n"));
    text_append(&out, STR("}\n"));
    return text_str(&out);
}

RandomText random_text(Random *random, int32_t n_statements, int64_t batch,
                       Arena *arena)
{
    static const char *const SHAPES[] = {"", ", 4", ", 5, 4", ", 2, 6, 5"};
    Writer w = {.random = random, .arena = arena, .n_values = 1, .number = 1};
    RandomText out = {.continuous = true};
    w.text = str_format(arena,
                        "model random(batch = %lld)\n"
                        "input v0: f32[batch%s]\n"
                        "input labels: i32[batch]\n"
                        "input tokens: i32[batch, 4]\n",
                        (long long)batch, SHAPES[random_between(random, 0, 3)]);
    for (int32_t i = 0; i < n_statements; i++)
        if (!add_statement(&w, &out.continuous))
            break;
    for (int32_t i = 0; i < TRIES_MAX; i++) {
        out.text = joined(arena, w.text, ending(&w));
        if (is_legal(out.text, arena, &out.model))
            return out;
    }
    out.text = joined(arena, w.text,
                      STR("loss = mean(v0)\n"
                          "train { optimizer sgd(lr = 0.1) }\n"));
    is_legal(out.text, arena, &out.model);
    return out;
}

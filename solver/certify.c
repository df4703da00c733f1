/* Certify: arc consistency, an ascent of its own, and the file. */
#include "solver/certify.h"

#include "solver/ascent.h"
#include "solver/reduce.h"

#include <inttypes.h>
#include <math.h>

enum { CERTIFY_PASSES = 600, SETTLE_PASSES = 80, PRICE_DENOMINATOR = 1 << 20 };

static void keep_arcs(Network *net, Arena scratch)
{
    for (int64_t k = 0; k < net->edge_queue.count && !net->contradiction; k++) {
        net->edges.data[net->edge_queue.data[k]].queued = false;
        reduce_arc(net, net->edge_queue.data[k], scratch);
    }
    net->edge_queue.count = 0;
}

static void set_prices(Network *net, const ChoiceSolution *s, double scale)
{
    int32_t k = 0;
    for (int32_t r = 0; r < net->n_rows && k < s->n_prices; r++)
        if (net->time[r] == s->prices[k].time)
            net->price[r] = s->prices[k++].price * scale;
}

static void raise_bound(Ascent *ascent, Dual *dual, double target,
                        const ChoiceOptions *options, Arena scratch)
{
    bool settle = false;
    for (int pass = 0; pass < CERTIFY_PASSES; pass++) {
        ascent_pass(ascent, dual, pass % 2 == 0);
        if (options->stopped && options->stopped(options->context))
            break;
        settle = pass + SETTLE_PASSES >= CERTIFY_PASSES;
        ascent_move(ascent, dual, larger(target, dual->constant + 1), settle,
                    scratch);
    }
    for (int pass = 0; !settle && pass < SETTLE_PASSES / 4; pass++) {
        ascent_move(ascent, dual, larger(target, dual->constant + 1), true,
                    scratch);
        ascent_pass(ascent, dual, pass % 2 == 0);
    }
}

/* The messages of one end times `factor`, by the problem's choices; null where
 * arc consistency removed the choice. */
static void write_messages(Text *text, const NetworkNode *n, int32_t n_choices,
                           const double *message, double factor)
{
    int32_t at = 0;
    text_format(text, "[");
    for (int32_t i = 0; i < n_choices; i++) {
        const char *comma = i ? "," : "";
        if (at < n->n_choices && n->label[at] == i)
            text_format(text, "%s%" PRId64, comma,
                        (int64_t)(message[at++] * factor));
        else
            text_format(text, "%snull", comma);
    }
    text_format(text, "]");
}

static Str write_certificate(Arena *arena, const ChoiceProblem *p,
                             const Dual *dual, double scale, int64_t bound)
{
    const Network *net = dual->net;
    double factor = larger(1, 1 / scale);
    Text text = text_new(arena);
    text_format(&text,
                "{\"bound\": %" PRId64 ", \"denominator\": %" PRId64
                ", \"price_denominator\": %d,\n\"prices\": [",
                bound, (int64_t)larger(1, scale), PRICE_DENOMINATOR);
    const char *comma = "";
    for (int32_t r = 0; r < net->n_rows; r++) {
        if (!(dual->price[r] > 0))
            continue;
        text_format(
            &text, "%s[%" PRId64 ",%" PRId64 "]", comma, net->time[r],
            (int64_t)(dual->price[r] * (double)PRICE_DENOMINATOR * factor));
        comma = ",";
    }
    text_format(&text, "],\n\"edges\": [");
    for (int32_t k = 0; k < dual->n_edges; k++) {
        const DualEdge *e = &dual->edges[k];
        text_format(&text, "%s[%" PRId32 ",%" PRId32 ",", k ? ",\n" : "", e->a,
                    e->b);
        write_messages(&text, &net->nodes[e->a], p->nodes[e->a].n_choices,
                       e->message_a, factor);
        text_format(&text, ",");
        write_messages(&text, &net->nodes[e->b], p->nodes[e->b].n_choices,
                       e->message_b, factor);
        text_format(&text, "]");
    }
    text_format(&text, "]}\n");
    return text_str(&text);
}

Str certify(Arena *arena, Arena scratch, const ChoiceProblem *p,
            const ChoiceSolution *s, const ChoiceOptions *options,
            int64_t *bound)
{
    double scale;
    Arena networks = arena_split(&scratch);
    Network net = network_from_problem(&networks, scratch, p, &scale);
    keep_arcs(&net, scratch);
    *bound = INT64_MIN;
    if (net.contradiction)
        return STR("{}\n");
    set_prices(&net, s, scale);
    Dual dual = dual_new(&networks, &net);
    Ascent ascent = ascent_new(&networks, net.n_rows);
    ascent_start(&ascent, s->n_prices > 0 ? 0.1 : 1, CERTIFY_PASSES);
    raise_bound(&ascent, &dual, (double)s->cost * scale, options, scratch);
    *bound = (int64_t)ceil(dual.constant / scale);
    return write_certificate(arena, p, &dual, scale, *bound);
}

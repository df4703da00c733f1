/* Proof: one line a step. */
#include "solver/proof.h"

#include "support/text.h"

#include <inttypes.h>

static int32_t name_of(const Network *net, int32_t node)
{
    return net->name ? net->name[node] : node;
}

static void write_ends(const Network *net, char kind, int32_t u, int32_t v)
{
    text_format(net->proof, "%c %" PRId32 " %" PRId32 "\n", kind,
                name_of(net, u), name_of(net, v));
}

void proof_arc(const Network *net, int32_t edge)
{
    const NetworkEdge *e = &net->edges.data[edge];
    if (net->proof)
        write_ends(net, 'a', e->a, e->b);
}

void proof_modular(const Network *net, int32_t edge)
{
    const NetworkEdge *e = &net->edges.data[edge];
    if (net->proof)
        write_ends(net, 'm', e->a, e->b);
}

void proof_follow(const Network *net, int32_t from, int32_t to)
{
    if (net->proof)
        write_ends(net, 'w', from, to);
}

void proof_eliminate(const Network *net, int32_t node)
{
    if (net->proof)
        text_format(net->proof, "e %" PRId32 "\n", name_of(net, node));
}

void proof_dominated(const Network *net, int32_t node, int32_t removed,
                     int32_t by)
{
    const int32_t *label = net->nodes[node].label;
    if (net->proof)
        text_format(net->proof, "d %" PRId32 " %" PRId32 " %" PRId32 "\n",
                    name_of(net, node), label[removed], label[by]);
}

void proof_rows(const Network *net, const bool *stays)
{
    if (!net->proof)
        return;
    int32_t n = 0;
    for (int32_t r = 0; r < net->n_rows; r++)
        n += stays[r];
    text_format(net->proof, "r %" PRId32, n);
    for (int32_t r = 0; r < net->n_rows; r++)
        if (stays[r])
            text_format(net->proof, " %" PRId64, net->time[r]);
    text_format(net->proof, "\n");
}

void proof_exceeding(const Network *net, int32_t node, int32_t choice,
                     int32_t row)
{
    if (net->proof)
        text_format(net->proof, "u %" PRId32 " %" PRId32 " %" PRId64 "\n",
                    name_of(net, node), net->nodes[node].label[choice],
                    net->time[row]);
}

void proof_overfull(const Network *net, int32_t row)
{
    if (net->proof)
        text_format(net->proof, "o %" PRId64 "\n", net->time[row]);
}

static bool any_message(const double *message, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        if (message[i] != 0)
            return true;
    return false;
}

static void write_message(Text *text, const double *message, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        text_format(text, " %" PRId64, (int64_t)message[i]);
}

void proof_messages(const Network *net, int32_t a, const double *message_a,
                    int32_t b, const double *message_b)
{
    int32_t n_a = net->nodes[a].n_choices, n_b = net->nodes[b].n_choices;
    if (!net->proof ||
        (!any_message(message_a, n_a) && !any_message(message_b, n_b)))
        return;
    text_format(net->proof, "q %" PRId32 " %" PRId32, name_of(net, a),
                name_of(net, b));
    write_message(net->proof, message_a, n_a);
    write_message(net->proof, message_b, n_b);
    text_format(net->proof, "\n");
}

void proof_prices(const Network *net)
{
    if (!net->proof)
        return;
    int32_t n = 0;
    for (int32_t r = 0; r < net->n_rows; r++)
        n += net->price[r] > 0;
    text_format(net->proof, "p %" PRId32, n);
    for (int32_t r = 0; r < net->n_rows; r++)
        if (net->price[r] > 0)
            text_format(net->proof, " %" PRId64 " %" PRId64, net->time[r],
                        (int64_t)(net->price[r] / NETWORK_PRICE_QUANTUM));
    text_format(net->proof, "\n");
}

void proof_bound(const Network *net, const bool *keep)
{
    if (!net->proof)
        return;
    int64_t n = 0, at = 0;
    for (int32_t v = 0; v < net->n_nodes; v++)
        for (int32_t i = 0; i < net->nodes[v].n_choices; i++)
            n += !keep[at++];
    text_format(net->proof, "b %" PRId64, n);
    at = 0;
    for (int32_t v = 0; v < net->n_nodes; v++)
        for (int32_t i = 0; i < net->nodes[v].n_choices; i++)
            if (!keep[at++])
                text_format(net->proof, " %" PRId32 " %" PRId32,
                            name_of(net, v), net->nodes[v].label[i]);
    text_format(net->proof, "\n");
}

void proof_split(const Network *net, int32_t node, int32_t choice)
{
    if (net->proof)
        text_format(net->proof, "s %" PRId32 " %" PRId32 "\n",
                    name_of(net, node), net->nodes[node].label[choice]);
}

void proof_closed(const Network *net)
{
    if (net->proof)
        text_format(net->proof, "c\n");
}

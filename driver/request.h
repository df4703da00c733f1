/* Request: what the user wants planned, and the texts that it names. */
#ifndef DNNC_DRIVER_REQUEST_H
#define DNNC_DRIVER_REQUEST_H

#include "driver/command.h"
#include "frontend/frontend.h"
#include "ir/plan.h"
#include "passes/intra.h"

/* Strings are argv's. */
typedef struct Request {
    const char *model, *mesh; /* NULL when `plan` embeds them */
    OptionList settings;      /* --set */
    const char *plan;         /* a plan to use instead of searching */
    const char *uniform;      /* or its Megatron-style shape */
    int64_t layers;           /* 0: by a rule */
    int64_t work_limit;       /* 0: until proved */
    NetworkObserver observer; /* of the search's choice networks */
} Request;

/* The texts as sources of the session's diagnostics, 0 where there is none. */
typedef struct RequestTexts {
    int32_t model, mesh, plan;
    Setting *settings;
    int64_t n_settings;
} RequestTexts;

/* The options that fill `request`: the first REQUEST_OPTIONS entries of every
 * command that plans. */
enum { REQUEST_OPTIONS = 6 };
void request_options(Request *request, Option *options);

/* Reads model, cluster and, where there is one, the plan, which brings both
 * along; files named beside it must say the same.  *plan gets their texts,
 * paths, hashes and settings, and is complete where it was given. */
Status request_read(Session *session, const Request *request,
                    RequestTexts *texts, Plan *plan) MUST_USE;

#endif

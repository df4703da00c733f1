/* Signals set a flag; the training loop looks at it after each step. */
#include "runtime/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t n_requests, is_heeded;

static void request(int signal_number)
{
    bool insists = signal_number == SIGINT || signal_number == SIGTERM;
    if (!is_heeded || (n_requests && insists))
        _exit(128 + signal_number);
    n_requests = 1;
}

void interrupt_watch(void)
{
    struct sigaction action = {.sa_handler = request, .sa_flags = SA_RESTART};
    struct sigaction before;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(SIGHUP, &action, NULL);
    /* A file that may not grow is an error of write, not the end. */
    signal(SIGXFSZ, SIG_IGN);
}

void interrupt_heed(bool heeded)
{
    is_heeded = heeded;
}

bool interrupt_requested(void)
{
    return n_requests != 0;
}

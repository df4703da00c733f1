/* Signals set a flag; the training loop looks at it after each step. */
#include "runtime/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t n_requests;

static void request(int signal_number)
{
    if (n_requests && signal_number != SIGUSR1)
        _exit(128 + signal_number);
    n_requests = 1;
}

void interrupt_watch(void)
{
    struct sigaction action = {.sa_handler = request, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    /* A file that may not grow is an error of write, not the end. */
    signal(SIGXFSZ, SIG_IGN);
}

bool interrupt_requested(void)
{
    return n_requests != 0;
}

/* Interrupt: the user's wish that the job stop. */
#ifndef DNNC_RUNTIME_INTERRUPT_H
#define DNNC_RUNTIME_INTERRUPT_H

#include <stdbool.h>

/* INT, TERM and USR1 (which launchers forward where they would die of the
 * others) ask for a stop after the step at hand; a second INT or TERM ends the
 * process at once. */
void interrupt_watch(void);
/* True once a stop was asked for. */
bool interrupt_requested(void);

#endif

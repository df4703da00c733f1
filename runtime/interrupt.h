/* Interrupt: the user's wish that the job stop. */
#ifndef DNNC_RUNTIME_INTERRUPT_H
#define DNNC_RUNTIME_INTERRUPT_H

#include <stdbool.h>

/* INT, TERM, HUP (unless nohup has it ignored), PIPE (nobody reads what the job
 * prints) and USR1 (which launchers forward where they would die of the
 * others) ask for a stop.  They end the process at once unless somebody heeds
 * them; then a second INT or TERM does. */
void interrupt_watch(void);
/* From now on somebody looks at interrupt_requested (or no longer does). */
void interrupt_heed(bool heeded);
/* True once a stop was asked for. */
bool interrupt_requested(void);

#endif

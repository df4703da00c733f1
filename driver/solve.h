/* dnnc solve PROBLEM: see driver/solve.c and docs/solver.md. */
#ifndef DNNC_DRIVER_SOLVE_H
#define DNNC_DRIVER_SOLVE_H

/* argv[0] is "solve". Returns the process's exit status. */
int command_solve(int argc, char **argv);

#endif

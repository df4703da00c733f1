/* dnnc solve as a program of its own, for the bench and the golden tests. */
#include "driver/solve.h"

int main(int argc, char **argv)
{
    return command_solve(argc, argv);
}

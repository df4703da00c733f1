/* dnnc run: start a job on N processes, and let it stop in peace.
 *
 * A launcher that gets INT or TERM kills its processes, so they could not save.
 * It (or a lone job) runs in a process group of its own, where a terminal's
 * Ctrl-C does not reach it; this command waits for signals and turns the first
 * INT, TERM or HUP into USR1, which launchers forward and a job takes as the
 * wish to save and end.  The second ends the launcher, the third everything at
 * once.
 */
#include "driver/command.h"
#include "driver/option.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

typedef struct Launcher {
    const char *name;
    bool is_openmpi;
} Launcher;

/* Open MPI first: it yields the processor when there are more processes than
 * cores. */
static const Launcher launchers[] = {
    {"mpiexec.openmpi", true}, {"mpirun.openmpi", true},
    {"mpiexec.mpich", false},  {"mpiexec.hydra", false},
    {"mpiexec", false},
};

static bool is_on_path(const char *name)
{
    const char *path = getenv("PATH");
    while (path && *path) {
        size_t length = strcspn(path, ":");
        char file[4096];
        snprintf(file, sizeof(file), "%.*s/%s", (int)length, path, name);
        if (access(file, X_OK) == 0)
            return true;
        path += length + (path[length] == ':');
    }
    return false;
}

/* DNNC_MPIEXEC or the first known one that is installed. */
static Status find_launcher(Launcher *out)
{
    const char *chosen = getenv("DNNC_MPIEXEC");
    if (chosen) {
        *out = (Launcher){chosen, strstr(chosen, "openmpi") != NULL};
        return status_ok();
    }
    for (size_t i = 0; i < sizeof(launchers) / sizeof(launchers[0]); i++) {
        if (is_on_path(launchers[i].name)) {
            *out = launchers[i];
            return status_ok();
        }
    }
    return status_error(STATUS_ENVIRONMENT,
                        "no MPI launcher on PATH; install openmpi-bin or name "
                        "one in DNNC_MPIEXEC");
}

/* What Open MPI needs on one machine with few cores; what the user has set
 * stays. */
static void prepare_environment(void)
{
    setenv("OMPI_MCA_rmaps_base_oversubscribe", "1", 0);
    setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
    setenv("OMPI_MCA_hwloc_base_binding_policy", "none", 0);
    if (!is_on_path("ssh"))
        setenv("OMPI_MCA_plm_rsh_agent", "sh", 0);
    if (geteuid() == 0) {
        setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
        setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
    }
    setenv("OMP_WAIT_POLICY", "passive", 0);
    setenv("DNNC_TERMINAL", isatty(STDOUT_FILENO) ? "1" : "0", 1);
}

/* Starts argv in a process group of its own, with the signals as they were
 * before this command blocked them.  A terminal is not its input: a background
 * group that reads one is stopped. */
static Status start(char *const *argv, pid_t *out)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    if (isatty(STDIN_FILENO))
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
                                         O_RDONLY, 0);
    int error =
        posix_spawnp(out, argv[0], &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error)
        return status_error(STATUS_ENVIRONMENT, "cannot start '%s': %s",
                            argv[0], strerror(error));
    return status_ok();
}

/* Blocks the signals that wait_for takes one by one; HUP unless nohup has it
 * ignored. */
static void watch_signals(sigset_t *watched)
{
    struct sigaction hang_up;
    sigemptyset(watched);
    sigaddset(watched, SIGINT);
    sigaddset(watched, SIGTERM);
    sigaddset(watched, SIGCHLD);
    if (sigaction(SIGHUP, NULL, &hang_up) == 0 && hang_up.sa_handler != SIG_IGN)
        sigaddset(watched, SIGHUP);
    sigprocmask(SIG_BLOCK, watched, NULL);
}

/* What the n-th wish to stop becomes. */
static void pass_on(pid_t child, int n)
{
    if (n == 1)
        kill(child, SIGUSR1);
    else if (n == 2)
        kill(child, SIGTERM);
    else
        kill(-child, SIGKILL);
}

/* Waits for the child's end, passing signals on; its exit status, and how
 * often the user asked for it. A launcher that was told to kill may still say
 * 0, which would mean that the job has saved. */
static int wait_for(pid_t child, const sigset_t *watched, int *n_asked)
{
    int last_asked = 0;
    *n_asked = 0;
    for (;;) {
        int signal_number, status;
        if (sigwait(watched, &signal_number) != 0)
            continue;
        if (signal_number != SIGCHLD) {
            last_asked = signal_number;
            pass_on(child, ++*n_asked);
            continue;
        }
        if (waitpid(child, &status, WNOHANG) != child)
            continue;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && *n_asked > 1)
            return 128 + last_asked;
        if (WIFEXITED(status))
            return WEXITSTATUS(status);
        if (WIFSIGNALED(status))
            return 128 + WTERMSIG(status);
    }
}

/* A job says itself why it ends, with one of the statuses of Status; a process
 * that dies cannot, and launchers say it in many ways or not at all. */
static Status judge_end(int exit_status, int n_asked)
{
    if (exit_status <= STATUS_ENVIRONMENT || n_asked > 0)
        return status_ok();
    bool is_signal = exit_status > 128 && exit_status < 128 + NSIG;
    return status_error(
        STATUS_ENVIRONMENT,
        "a process of the job died (status %d%s%s) and ended the others; "
        "--resume goes on from the newest checkpoint",
        exit_status, is_signal ? ": " : "",
        is_signal ? strsignal(exit_status - 128) : "");
}

/* The child's command line: launcher, job, the job's arguments. */
static char **command_line(Arena *arena, const Launcher *launcher,
                           const char *n, const OptionList *job)
{
    const char **argv = arena_new(arena, const char *, job->count + 5);
    int64_t count = 0;
    if (launcher) {
        argv[count++] = launcher->name;
        if (launcher->is_openmpi)
            argv[count++] = "--quiet";
        argv[count++] = "-n";
        argv[count++] = n;
    }
    for (int64_t i = 0; i < job->count; i++)
        argv[count++] = job->data[i];
    char **result;
    memcpy(&result, &argv, sizeof(result));
    return result;
}

static Status check_job(const char *path)
{
    struct stat about;
    if (stat(path, &about) != 0)
        return status_error(STATUS_INPUT, "cannot find the job '%s': %s", path,
                            strerror(errno));
    if (!S_ISREG(about.st_mode) || access(path, X_OK) != 0)
        return status_error(STATUS_INPUT,
                            "'%s' is not a job that dnnc compile wrote", path);
    return status_ok();
}

static Status run(Arena *arena, int64_t n, OptionList *job, int *exit_status)
{
    TRY(check_job(job->data[0]));
    char *path = realpath(job->data[0], NULL);
    if (!path)
        return status_error(STATUS_ENVIRONMENT, "cannot resolve '%s': %s",
                            job->data[0], strerror(errno));
    job->data[0] = str_copy(arena, str_from(path)).data;
    free(path);
    Launcher launcher;
    bool is_launched = n > 1;
    if (is_launched)
        TRY(find_launcher(&launcher));
    prepare_environment();
    char **argv =
        command_line(arena, is_launched ? &launcher : NULL,
                     str_format(arena, "%lld", (long long)n).data, job);
    sigset_t watched;
    watch_signals(&watched);
    pid_t child;
    TRY(start(argv, &child));
    int n_asked;
    *exit_status = wait_for(child, &watched, &n_asked);
    return judge_end(*exit_status, n_asked);
}

int command_run(Session *session, int argc, char **argv)
{
    OptionList job = {0};
    int64_t n = 1;
    const Option options[] = {
        {"-n", OPTION_INTEGER, &n, "N", "processes, one a device (default 1)"},
    };
    int result;
    if (!command_arguments(session, options, 1, 1, INT64_MAX, argc, argv, &job,
                           &result))
        return result;
    int exit_status = 0;
    Status status =
        n < 1 ? status_error(STATUS_USAGE, "a job needs at least one process")
              : run(&session->perm, n, &job, &exit_status);
    return status_failed(&status) ? command_finish(session, status)
                                  : exit_status;
}

/* Runs a program and says how much memory it had at most.
 *
 *     peak FILE PROGRAM ARGUMENT…
 *
 * FILE gets the program's pid at once, and its peak of resident memory in KiB (getrusage(2), ru_maxrss) at its
 * end: "1234 5678". A sampler would miss what is touched just before the end. A parent as small as this one is
 * needed because the kernel counts the pages a child was forked with. Exits as the program did.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what) {
    perror(what);
    exit(127);
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "peak FILE PROGRAM ARGUMENT…\n");
        return 127;
    }
    FILE *told = fopen(argv[1], "w");
    if (!told)
        fail(argv[1]);
    pid_t pid = fork();
    if (pid < 0)
        fail("fork");
    if (pid == 0) {
        execv(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    signal(SIGTERM, SIG_IGN); /* meant for the program: the whole group gets it */
    fprintf(told, "%ld", (long)pid);
    fflush(told);
    int status;
    struct rusage used;
    if (wait4(pid, &status, 0, &used) != pid)
        fail("wait4");
    fprintf(told, " %ld\n", used.ru_maxrss);
    fclose(told);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

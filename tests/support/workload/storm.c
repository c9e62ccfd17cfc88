/* Programs that make many calls while something else changes. */
#include "workload.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
    PAGE_SIZE = 4096,
    /* prctl(2) has none of this number. */
    NO_OPTION = 0x7fff0001,
    /* One call in so many has its text in memory that is not there. */
    UNTOUCHED_EACH = 4,
    /* Between children, so that whoever reads about their calls keeps up. */
    PAUSE_US = 2000,
};

/* A child: calls with its number, from 0 on. */
static void make_calls(int count, const char *text, int file) {
    for (int i = 0; i < count; i++) {
        if (i % UNTOUCHED_EACH != UNTOUCHED_EACH - 1) {
            check(prctl(NO_OPTION, text, i, 0, 0) == -1, "fail");
            continue;
        }
        void *page = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_PRIVATE, file, 0);
        check(page != MAP_FAILED, "map a page");
        check(prctl(PR_SET_NAME, page, i, 0, 0) == 0, "read the page");
        munmap(page, PAGE_SIZE);
    }
}

/*
 * storm PARENTS COUNT TEXT: PARENTS processes make children one after the other until stdin ends,
 * each of which calls prctl(2) COUNT times with TEXT as second argument and a number as third.
 * Writes how many children there were.
 */
int run_storm(int argc, char **argv) {
    check(argc == 4, "arguments");
    int parents = atoi(argv[1]), count = atoi(argv[2]);
    int file = syscall(SYS_memfd_create, "text", 0);
    check(file >= 0 && ftruncate(file, PAGE_SIZE) == 0, "make a file");
    check(pwrite(file, argv[3], strlen(argv[3]), 0) >= 0, "write a file");
    struct shared {
        int is_over;
        int children;
    } *shared = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    check(shared != MAP_FAILED, "map memory");
    int pids[64];
    check(parents <= 64, "find room");
    for (int i = 0; i < parents; i++) {
        pids[i] = fork();
        check(pids[i] >= 0, "fork");
        while (pids[i] == 0 && !__atomic_load_n(&shared->is_over, __ATOMIC_SEQ_CST)) {
            int pid = fork();
            if (pid == 0) {
                make_calls(count, argv[3], file);
                _exit(0);
            }
            wait_for(pid);
            usleep(PAUSE_US);
            __atomic_add_fetch(&shared->children, 1, __ATOMIC_SEQ_CST);
        }
        if (pids[i] == 0)
            _exit(0);
    }
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    __atomic_store_n(&shared->is_over, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < parents; i++)
        wait_for(pids[i]);
    printf("%d\n", shared->children);
    return 0;
}

/* Renames two files into each other's place, and back, for ever. */
static void rename_for_ever(const char *one, const char *other) {
    for (;;)
        check(syscall(SYS_renameat2, AT_FDCWD, one, AT_FDCWD, other, 2 /* RENAME_EXCHANGE */) == 0,
              "rename");
}

/*
 * rename-race COUNT ONE OTHER: a child renames ONE and OTHER, which are this program, into each
 * other's place while another executes ONE, which calls prctl(2) once, COUNT times.
 */
int run_rename_race(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "call") == 0) {
        check(prctl(NO_OPTION, 0, 0, 0, 0) == -1, "fail");
        return 0;
    }
    check(argc == 4, "arguments");
    int renamer = fork();
    if (renamer == 0)
        rename_for_ever(argv[2], argv[3]);
    for (int i = atoi(argv[1]); i > 0; i--) {
        int pid = fork();
        if (pid == 0) {
            execl(argv[2], argv[2], "rename-race", "call", NULL);
            check(0, "exec");
        }
        wait_for(pid);
    }
    check(kill(renamer, SIGKILL) == 0 && waitpid(renamer, NULL, 0) == renamer, "end the child");
    return 0;
}

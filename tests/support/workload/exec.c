/* Programs that become other programs. */
#include "workload.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* exit [CODE]: ends. */
int run_exit(int argc, char **argv) {
    return argc > 1 ? atoi(argv[1]) : 0;
}

/* kill SIGNAL: ends by a signal. */
int run_kill(int argc, char **argv) {
    check(argc == 2, "arguments");
    signal(atoi(argv[1]), SIG_DFL);
    raise(atoi(argv[1]));
    return 96;
}

/* wait: ends when stdin does. */
int run_wait(int argc, char **argv) {
    char byte;
    (void)argc;
    (void)argv;
    while (read(0, &byte, 1) > 0) {
    }
    return 0;
}

/* exec PATH ARGV...: becomes PATH with that argv, argv[0] included. */
int run_exec(int argc, char **argv) {
    check(argc > 2, "arguments");
    execv(argv[1], argv + 2);
    check(0, "exec");
    return 0;
}

/* exec-chain N: execs itself N times in one pid. */
int run_exec_chain(int argc, char **argv) {
    char left[16];
    check(argc == 2, "arguments");
    int n = atoi(argv[1]);
    if (n == 0)
        return 0;
    snprintf(left, sizeof(left), "%d", n - 1);
    execl(self, self, "exec-chain", left, NULL);
    check(0, "exec");
    return 0;
}

/*
 * long-args SIZE: execs with argv of exactly SIZE bytes, NULs counted: self, exit, 0, a string of
 * x.
 */
int run_long_args(int argc, char **argv) {
    check(argc == 2, "arguments");
    size_t size = atoi(argv[1]), used = strlen(self) + 1 + sizeof("exit") + sizeof("0");
    check(size > used, "size");
    char *fill = malloc(size - used);
    memset(fill, 'x', size - used - 1);
    fill[size - used - 1] = 0;
    execl(self, self, "exit", "0", fill, NULL);
    check(0, "exec");
    return 0;
}

static void copy_self(int to) {
    char bytes[65536];
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    check(from >= 0, "open self");
    for (ssize_t size; (size = read(from, bytes, sizeof(bytes))) > 0;)
        check(write(to, bytes, size) == size, "write copy");
    close(from);
}

/*
 * odd-names DIRECTORY: in DIRECTORY makes a directory and a program whose names are not UTF-8, and
 * execs the program from there by a relative path, with arguments that are not UTF-8.
 */
int run_odd_names(int argc, char **argv) {
    check(argc == 2, "arguments");
    check(chdir(argv[1]) == 0, "chdir");
    check(mkdir("d\xff", 0755) == 0 && chdir("d\xff") == 0, "make directory");
    int copy = open("p\xc3", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    copy_self(copy);
    close(copy);
    execl("./p\xc3", "p\xc3", "exit", "0", "\xff\xfe", "\xe2\x82\xac", "", NULL);
    check(0, "exec");
    return 0;
}

/* deleted PATH: copies itself to PATH, deletes that and execs it by descriptor. */
int run_deleted(int argc, char **argv) {
    check(argc == 2, "arguments");
    int copy = open(argv[1], O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    check(copy >= 0, "create");
    copy_self(copy);
    close(copy);
    int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
    check(fd >= 0 && unlink(argv[1]) == 0, "unlink");
    fexecve(fd, (char *[]){"gone", "exit", "0", NULL}, environ);
    check(0, "exec");
    return 0;
}

/* memfd NAME: execs a copy of itself that is only in memory. */
int run_memfd(int argc, char **argv) {
    check(argc == 2, "arguments");
    int fd = memfd_create(argv[1], MFD_CLOEXEC);
    check(fd >= 0, "memfd");
    copy_self(fd);
    fexecve(fd, (char *[]){"memory", "exit", "0", NULL}, environ);
    check(0, "exec");
    return 0;
}

/* deep-cwd DIRECTORY NAME COUNT: execs in a directory COUNT levels of NAME below DIRECTORY. */
int run_deep_cwd(int argc, char **argv) {
    check(argc == 4, "arguments");
    check(chdir(argv[1]) == 0, "chdir");
    for (int i = atoi(argv[3]); i > 0; i--) {
        check(mkdir(argv[2], 0755) == 0 || errno == EEXIST, "mkdir");
        check(chdir(argv[2]) == 0, "chdir down");
    }
    exec_exit("0");
    return 0;
}

/*
 * outside-root ROOT: makes ROOT its root, with the working directory, /proc/self, left outside, and
 * execs. By a relative name: /dev/fd/N of a descriptor is not in ROOT, where TOMOYO looks for it.
 */
int run_outside_root(int argc, char **argv) {
    check(argc == 2, "arguments");
    check(chroot(argv[1]) == 0, "chroot");
    execl("./exe", "outside", "exit", "0", NULL);
    check(0, "exec");
    return 0;
}

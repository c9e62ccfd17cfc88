/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts the Deno inside this executable with the agent's code. README.md beside this file has the
 * three ways and why they are tried in this order.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* Exit code of `shrike` when it cannot start at all, as in src/cli/exit_codes.ts. */
#define EXIT_CANNOT_START 1

typedef void (*start_function)(const struct image *, const struct invocation *, struct failure *);

struct way {
    const char *name;
    start_function start;
};

/* In the order they are tried. */
static const struct way ways[] = {
#ifdef __x86_64__
    {"map", start_mapped},
#endif
    {"cache", start_cached},
    {"memfd", start_in_memory},
};

#define WAY_COUNT (sizeof(ways) / sizeof(ways[0]))

void fail(const char *hint, const char *format, ...) {
    va_list arguments;

    va_start(arguments, format);
    fputs("shrike: ", stderr);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\nhint: %s\n", hint);
    va_end(arguments);
    exit(EXIT_CANNOT_START);
}

void set_failure(struct failure *why, const char *format, ...) {
    int error = errno;
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(why->text, sizeof(why->text), format, arguments);
    va_end(arguments);
    if (error != 0 && length >= 0 && (size_t)length < sizeof(why->text))
        snprintf(why->text + length, sizeof(why->text) - length, ": %s", strerror(error));
}

static void *allocate(size_t size) {
    void *memory = malloc(size);

    if (memory == NULL)
        fail("free some memory", "Cannot start: no memory");
    return memory;
}

static size_t count_texts(const struct image *image, struct region region) {
    const uint8_t *text = image->bytes + region.offset;
    size_t count = 0;

    for (uint64_t i = 0; i < region.size; i++)
        count += text[i] == 0;
    return count;
}

/* Appends pointers to the texts of a region: open_image() has seen that it ends in NUL. */
static char **append_texts(char **list, const struct image *image, struct region region) {
    char *text = (char *)image->bytes + region.offset;
    char *end = text + region.size;

    for (; text < end; text += strlen(text) + 1)
        *list++ = text;
    return list;
}

/*
 * The path of the main module: a file in memory, which Deno loads like any file, but which is
 * nowhere on a disk. It is the last of the runtime's arguments.
 */
static char *main_module(const struct image *image) {
    const struct region *main = &image->trailer->main;
    int memory = memfd_create("shrike-main", 0);
    char *path;

    if (memory < 0 || write_all(memory, image->bytes + main->offset, main->size) < 0)
        fail("free some memory", "Cannot make a file in memory: %s", strerror(errno));
    if (asprintf(&path, "/proc/self/fd/%d", memory) < 0)
        fail("free some memory", "Cannot start: no memory");
    return path;
}

static char **build_argv(const struct image *image, char **argv) {
    size_t count = count_texts(image, image->trailer->arguments) + 3;
    char **list, **next;

    for (size_t i = 1; argv[0] != NULL && argv[i] != NULL; i++)
        count++;
    list = allocate(count * sizeof(*list));
    next = list;
    *next++ = "shrike";
    next = append_texts(next, image, image->trailer->arguments);
    *next++ = main_module(image);
    for (size_t i = 1; argv[0] != NULL && argv[i] != NULL; i++)
        *next++ = argv[i];
    *next = NULL;
    return list;
}

/*
 * Variables that change how Deno or Node programs run: the agent runs as root, and what a shell has
 * set for somebody's scripts must not reach it.
 */
static int is_dropped(const char *variable) {
    static const char *const prefixes[] = {"DENO_", "NODE_", "SHRIKE__"};

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
            return 1;
    }
    return 0;
}

/* Whether a list of NAME=VALUE has the name that `variable` begins with. */
static int is_set(char **list, char **end, const char *variable) {
    size_t length = strcspn(variable, "=");

    for (; list < end; list++) {
        if (strncmp(*list, variable, length) == 0 && (*list)[length] == '=')
            return 1;
    }
    return 0;
}

/* The environment of the runtime; the first entry is left for the way that is tried. */
static char **build_envp(const struct image *image, char **envp) {
    size_t count = count_texts(image, image->trailer->environment) + 2;
    char **list, **next, **own_end;

    for (size_t i = 0; envp[i] != NULL; i++)
        count++;
    list = allocate(count * sizeof(*list));
    own_end = append_texts(list + 1, image, image->trailer->environment);
    next = own_end;
    for (size_t i = 0; envp[i] != NULL; i++) {
        if (!is_dropped(envp[i]) && !is_set(list + 1, own_end, envp[i]))
            *next++ = envp[i];
    }
    *next = NULL;
    return list;
}

/*
 * Gives each standard descriptor that was closed a file: the next file that is opened would get its
 * number, and all that is written to stdout would go there. Opened the wrong way round, so that
 * reads and writes fail with EBADF as they would have, but for stderr, whose lines nobody asked
 * for.
 */
static void fill_standard_descriptors(void) {
    static const int ways_round[] = {O_WRONLY, O_RDONLY, O_WRONLY};

    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            continue;
        /* The lowest free number is taken, and all below are open. */
        if (open("/dev/null", ways_round[fd]) != fd)
            _exit(EXIT_CANNOT_START);
    }
}

/*
 * Lets the agent open as many files as it may: shells and services begin with a soft limit of 1,024
 * for the sake of select(2), which nothing here uses.
 */
static void raise_open_files(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Tells the program where its payload is and how it was started. */
static char *boot_variable(const struct image *image, const char *way) {
    char *text;

    if (asprintf(&text, "SHRIKE__BOOT=%s:%d:%llu", way, image->fd,
                 (unsigned long long)image->trailer->payload.offset) < 0)
        fail("free some memory", "Cannot start: no memory");
    return text;
}

int main(int argc, char **argv, char **envp) {
    const char *chosen = getenv("SHRIKE__START");
    struct failure failures[WAY_COUNT] = {0};
    struct invocation call;
    struct image image;
    int is_known = 0;

    (void)argc;
    fill_standard_descriptors();
    raise_open_files();
    open_image(&image);
    call.argv = build_argv(&image, argv);
    call.envp = build_envp(&image, envp);
    for (size_t i = 0; i < WAY_COUNT; i++) {
        if (chosen != NULL && strcmp(chosen, ways[i].name) != 0)
            continue;
        is_known = 1;
        call.envp[0] = boot_variable(&image, ways[i].name);
        errno = 0;
        ways[i].start(&image, &call, &failures[i]);
    }
    if (!is_known)
        fail("leave SHRIKE__START away", "Cannot start by way \"%s\": no such way here", chosen);
    for (size_t i = 0; i < WAY_COUNT; i++) {
        if (failures[i].text[0] != 0)
            fprintf(stderr, "shrike: way \"%s\": %s\n", ways[i].name, failures[i].text);
    }
    fail("see the lines above", "Cannot start: every way to run the Deno inside failed");
}

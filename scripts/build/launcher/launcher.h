/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the launcher, and the form of the file it is the first part of:
 *
 *     launcher | runtime (Deno) | arguments | environment | payload | trailer
 *
 * scripts/build/pack_executable.ts writes the file.
 */
#ifndef SHRIKE_LAUNCHER_H
#define SHRIKE_LAUNCHER_H

#include <stddef.h>
#include <stdint.h>

#define TRAILER_MAGIC "SHRIKE01"

/* A part of the file; bytes. */
struct region {
    uint64_t offset;
    uint64_t size;
};

/* The end of the file. Little-endian, as are all machines we run on. */
struct trailer {
    char magic[8];
    uint64_t file_size;
    struct region runtime;     /* an ELF file; its offset is a multiple of 64 KiB */
    struct region arguments;   /* for the runtime, before the user's; each ends in NUL */
    struct region environment; /* NAME=VALUE for the runtime; each ends in NUL */
    struct region payload;     /* read by src/loader/payload.ts */
    struct region main;        /* the main module, a part of the payload */
    char runtime_sha256[64];   /* hexadecimal, names the copy in the cache */
    uint64_t checksum;         /* FNV-1a of all between runtime and this field */
};

/* The executable, open and mapped. */
struct image {
    int fd;               /* above 2; inherited by the runtime, which reads the payload from it */
    const uint8_t *bytes; /* the whole file */
    const struct trailer *trailer;
};

/* What the runtime gets, each ending in NULL. */
struct invocation {
    char **argv;
    char **envp;
};

/* Prints "shrike: ..." with a hint and ends with the exit code for a program that cannot start. */
_Noreturn void fail(const char *hint, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Writes all of it; -1 with errno when that fails. */
int write_all(int fd, const uint8_t *bytes, uint64_t size);

/* Opens /proc/self/exe and checks all of it but the runtime. Does not return on damage. */
void open_image(struct image *image);

/*
 * The ways to start the runtime. Each returns only when it cannot, with a reason in `why`, and has
 * then changed nothing that keeps another way from working.
 */
struct failure {
    char text[256];
};
void start_mapped(const struct image *image, const struct invocation *call, struct failure *why);
void start_cached(const struct image *image, const struct invocation *call, struct failure *why);
void start_in_memory(const struct image *image, const struct invocation *call, struct failure *why);

/* Fills `why` with a text and, when errno is not 0, what it says. */
void set_failure(struct failure *why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif

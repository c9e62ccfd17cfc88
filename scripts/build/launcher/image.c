/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens the executable as a file and refuses one that is cut short or changed.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAMAGED "copy the file again from where it was built"
/* Bigger than any page size of the machines we run on, and the launcher is linked to it. */
#define RUNTIME_ALIGN 65536

_Static_assert(sizeof(struct trailer) == 168, "pack_executable.ts writes 168 bytes");

static int is_inside(struct region region, uint64_t start, uint64_t end) {
    return region.offset >= start && region.offset <= end && region.size <= end - region.offset;
}

/* A list of texts is empty or ends in NUL, else strlen() would run out of it. */
static int is_text_list(const struct image *image, struct region region) {
    return region.size == 0 || image->bytes[region.offset + region.size - 1] == 0;
}

/* FNV-1a, 64 bits: finds damage, not malice. Whoever can write this file is root already. */
static uint64_t checksum(const uint8_t *bytes, size_t size) {
    uint64_t value = 0xcbf29ce484222325;

    for (size_t i = 0; i < size; i++)
        value = (value ^ bytes[i]) * 0x100000001b3;
    return value;
}

/* The runtime itself is not read: 100 MB from a cold disk would cost more than the start. */
static const char *find_damage(const struct image *image, uint64_t size) {
    const struct trailer *trailer = image->trailer;
    uint64_t body_end = size - sizeof(*trailer);
    uint64_t tail = trailer->runtime.offset + trailer->runtime.size;
    uint64_t checked_end = body_end + offsetof(struct trailer, checksum);

    if (memcmp(trailer->magic, TRAILER_MAGIC, sizeof(trailer->magic)) != 0)
        return "its end is missing";
    if (trailer->file_size != size)
        return "its size is wrong";
    if (!is_inside(trailer->runtime, 0, body_end) || trailer->runtime.offset % RUNTIME_ALIGN != 0)
        return "its table is wrong";
    if (checksum(image->bytes + tail, checked_end - tail) != trailer->checksum)
        return "its checksum is wrong";
    if (!is_inside(trailer->arguments, tail, body_end) ||
        !is_inside(trailer->environment, tail, body_end) ||
        !is_inside(trailer->payload, tail, body_end) || !is_inside(trailer->main, tail, body_end) ||
        !is_text_list(image, trailer->arguments) || !is_text_list(image, trailer->environment))
        return "its table is wrong";
    return NULL;
}

void open_image(struct image *image) {
    const char *damage;
    struct stat info;
    int fd;

    /* Not argv[0]: that is what the caller says, and the file may be replaced meanwhile. */
    fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail("mount /proc, and make the file readable for this user",
             "Cannot open \"/proc/self/exe\": %s", strerror(errno));
    /* When the caller has closed stdin, open() gives its number, and Deno would read from us. */
    image->fd = fcntl(fd, F_DUPFD, 3);
    close(fd);
    if (image->fd < 0 || fstat(image->fd, &info) < 0)
        fail("raise the limit of open files", "Cannot open this executable: %s", strerror(errno));
    if ((uint64_t)info.st_size < sizeof(struct trailer))
        fail(DAMAGED, "Cannot start: this executable is damaged, its end is missing");
    image->bytes = mmap(NULL, info.st_size, PROT_READ, MAP_PRIVATE, image->fd, 0);
    if (image->bytes == MAP_FAILED)
        fail("free some memory", "Cannot map this executable: %s", strerror(errno));
    image->trailer = (const struct trailer *)(image->bytes + info.st_size - sizeof(struct trailer));
    damage = find_damage(image, info.st_size);
    if (damage != NULL)
        fail(DAMAGED, "Cannot start: this executable is damaged, %s", damage);
}

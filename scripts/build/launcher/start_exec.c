/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways "cache" and "memfd": the runtime is copied into a file of its own and executed.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Not below /run or /tmp: both are often mounted noexec. */
#define STATE_PARENT "/var/lib"
#define STATE_FOLDER "shrike"
#define CACHE_FOLDER "runtime"

/* From linux/memfd.h (6.3), absent from older headers. */
#define MEMFD_EXEC 0x10U

static const uint8_t *runtime_bytes(const struct image *image) {
    return image->bytes + image->trailer->runtime.offset;
}

int write_all(int fd, const uint8_t *bytes, uint64_t size) {
    while (size > 0) {
        ssize_t count = write(fd, bytes, size > 1 << 20 ? 1 << 20 : size);

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return -1;
        bytes += count;
        size -= count;
    }
    return 0;
}

/* Opens or makes a folder that only root can write to. */
static int open_folder(int parent, const char *name) {
    struct stat info;
    int fd;

    if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
        return -1;
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (fstat(fd, &info) < 0 || info.st_uid != 0 || (info.st_mode & 022) != 0) {
        close(fd);
        errno = EPERM;
        return -1;
    }
    return fd;
}

static int open_cache(void) {
    int parent, state, cache = -1;
    struct stat info;

    parent = open(STATE_PARENT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0)
        return -1;
    state = open_folder(parent, STATE_FOLDER);
    close(parent);
    if (state < 0)
        return -1;
    cache = open_folder(state, CACHE_FOLDER);
    close(state);
    if (cache >= 0 && (fstat(cache, &info) < 0 || (info.st_mode & 077) != 0)) {
        close(cache);
        errno = EPERM;
        return -1;
    }
    return cache;
}

/* Whether the cached file is the runtime in this executable, byte by byte. */
static int is_current(const struct image *image, int cache, const char *name) {
    uint64_t size = image->trailer->runtime.size;
    int fd = openat(cache, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat info;
    void *bytes;
    int is_same;

    if (fd < 0)
        return 0;
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || info.st_uid != 0 ||
        (info.st_mode & 07777) != 0500 || (uint64_t)info.st_size != size) {
        close(fd);
        return 0;
    }
    bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED)
        return 0;
    is_same = memcmp(bytes, runtime_bytes(image), size) == 0;
    munmap(bytes, size);
    return is_same;
}

/* Writes the runtime under another name and renames it: nobody ever executes half of it. */
static int store(const struct image *image, int cache, const char *name) {
    char temporary[128];
    int fd;

    snprintf(temporary, sizeof(temporary), "%s.%d", name, getpid());
    unlinkat(cache, temporary, 0);
    fd = openat(cache, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0500);
    if (fd < 0)
        return -1;
    if (write_all(fd, runtime_bytes(image), image->trailer->runtime.size) < 0 ||
        fchmod(fd, 0500) < 0 || fsync(fd) < 0 || renameat(cache, temporary, cache, name) < 0) {
        int error = errno;

        close(fd);
        unlinkat(cache, temporary, 0);
        errno = error;
        return -1;
    }
    close(fd);
    return 0;
}

/* Removes runtimes of other versions, and what a killed store() left; running ones live on. */
static void remove_others(int cache, const char *name) {
    DIR *folder = fdopendir(dup(cache));
    struct dirent *entry;

    if (folder == NULL)
        return;
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, name) != 0)
            unlinkat(cache, entry->d_name, 0);
    }
    closedir(folder);
}

void start_cached(const struct image *image, const struct invocation *call, struct failure *why) {
    char name[96], path[256];
    int cache;

    /* The kernel calls the process by the first 15 letters of this. */
    snprintf(name, sizeof(name), "shrike-%.64s", image->trailer->runtime_sha256);
    snprintf(path, sizeof(path), STATE_PARENT "/" STATE_FOLDER "/" CACHE_FOLDER "/%s", name);
    cache = open_cache();
    if (cache < 0) {
        set_failure(why, "Cannot use folder \"" STATE_PARENT "/" STATE_FOLDER "/" CACHE_FOLDER
                         "\" for root only");
        return;
    }
    if (!is_current(image, cache, name)) {
        if (store(image, cache, name) < 0) {
            set_failure(why, "Cannot write \"%s\"", path);
            close(cache);
            return;
        }
        remove_others(cache, name);
    }
    close(cache);
    execve(path, call->argv, call->envp);
    set_failure(why, "Cannot execute \"%s\"", path);
}

void start_in_memory(const struct image *image, const struct invocation *call,
                     struct failure *why) {
    /* Kernels before 6.3 do not know MFD_EXEC; later ones may be set to want it. */
    int fd = memfd_create("shrike", MFD_CLOEXEC | MEMFD_EXEC);

    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("shrike", MFD_CLOEXEC);
    if (fd < 0) {
        set_failure(why, "Cannot make a file in memory");
        return;
    }
    if (write_all(fd, runtime_bytes(image), image->trailer->runtime.size) < 0) {
        set_failure(why, "Cannot write a file in memory");
        close(fd);
        return;
    }
    fexecve(fd, call->argv, call->envp);
    set_failure(why, "Cannot execute a file in memory");
    close(fd);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands between Debian's static libraries and a shared one.
 *
 * Debian compiles libbpf.a and libelf.a for executables (-fPIE). Two places in them cannot go into
 * a shared library: libelf's error number is a thread-local of the executable model, and libbpf
 * takes libc's `stderr` by a PC-relative address. build_libbpf.ts leaves libelf's elf_error.o out
 * and renames `stderr`; the replacements are here.
 *
 * Since 0.192 libelf also wants search trees from a library of elfutils that Debian does not have
 * in static form. They are libc's, with a lock that elfutils leaves out by default; ours have none
 * either: an Elf is used by the thread that opened it. Weak, for a libelf.a that has them.
 */
#define _GNU_SOURCE
#include <search.h>
#include <stdio.h>

FILE *shrike_stderr;

__attribute__((constructor)) static void set_shrike_stderr(void) {
    shrike_stderr = stderr;
}

static _Thread_local int elf_error_number;
static _Thread_local char elf_error_text[32];

void __libelf_seterrno(int value) {
    elf_error_number = value;
}

int elf_errno(void) {
    int value = elf_error_number;

    elf_error_number = 0;
    return value;
}

/* As in libelf: 0 asks for the last error, NULL when there is none; -1 always gives text. */
const char *elf_errmsg(int error) {
    int value = error == 0 || error == -1 ? elf_error_number : error;

    if (error == 0 && value == 0)
        return NULL;
    snprintf(elf_error_text, sizeof(elf_error_text), "libelf error %d", value);
    return elf_error_text;
}

#define WEAK __attribute__((weak))

typedef int (*compare_function)(const void *, const void *);
typedef void (*free_function)(void *);

/* The root is the first member of elfutils' struct search_tree, whatever follows. */
WEAK void eu_search_tree_init(void **root) {
    *root = NULL;
}

WEAK void eu_search_tree_fini(void **root, free_function free_node) {
    tdestroy(*root, free_node);
    *root = NULL;
}

WEAK void *eu_tsearch(const void *key, void **root, compare_function compare) {
    return tsearch(key, root, compare);
}

WEAK void *eu_tfind(const void *key, void **root, compare_function compare) {
    return tfind(key, root, compare);
}

WEAK void *eu_tdelete(const void *key, void **root, compare_function compare) {
    return tdelete(key, root, compare);
}

WEAK void eu_tdestroy(void **root, free_function free_node) {
    tdestroy(*root, free_node);
    *root = NULL;
}

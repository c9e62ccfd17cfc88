/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Way "map": does in user space what execve(2) does for an ELF file, because the kernel only runs
 * files from their first byte. The runtime's segments are mapped from this executable, so nothing
 * is copied, the page cache is shared, and /proc/PID/exe and cmdline show `shrike` as it was
 * called.
 */
#define _GNU_SOURCE
#include "launcher.h"

#ifdef __x86_64__

#include <alloca.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROGRAM_HEADERS_MAX 64
#define AUXV_MAX 64
/* From linux/auxvec.h (6.3), absent from older headers. */
#define AUXV_RSEQ_FEATURE_SIZE 27

/* An ELF file that is to be mapped, and where it came to stand. */
struct program {
    int fd;
    uint64_t file_offset; /* of the ELF file inside the file behind fd */
    Elf64_Ehdr header;
    Elf64_Phdr segments[PROGRAM_HEADERS_MAX];
    char interpreter[256];
    uint8_t *base; /* what p_vaddr counts from */
};

static int read_exactly(int fd, void *buffer, size_t size, uint64_t offset) {
    ssize_t count = pread(fd, buffer, size, (off_t)offset);

    if (count >= 0 && (size_t)count != size)
        errno = ENOEXEC;
    return count == (ssize_t)size ? 0 : -1;
}

static int read_program(struct program *program) {
    Elf64_Ehdr *header = &program->header;

    errno = ENOEXEC;
    if (read_exactly(program->fd, header, sizeof(*header), program->file_offset) < 0)
        return -1;
    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_machine != EM_X86_64 ||
        header->e_type != ET_DYN || header->e_phentsize != sizeof(Elf64_Phdr) ||
        header->e_phnum == 0 || header->e_phnum > PROGRAM_HEADERS_MAX) {
        errno = ENOEXEC;
        return -1;
    }
    if (read_exactly(program->fd, program->segments, header->e_phnum * sizeof(Elf64_Phdr),
                     program->file_offset + header->e_phoff) < 0)
        return -1;
    for (int i = 0; i < header->e_phnum; i++) {
        const Elf64_Phdr *segment = &program->segments[i];

        if (segment->p_type != PT_INTERP)
            continue;
        if (segment->p_filesz > sizeof(program->interpreter)) {
            errno = ENOEXEC;
            return -1;
        }
        if (read_exactly(program->fd, program->interpreter, segment->p_filesz,
                         program->file_offset + segment->p_offset) < 0)
            return -1;
    }
    return 0;
}

static uint64_t page_down(uint64_t value) {
    return value & ~((uint64_t)getpagesize() - 1);
}

static uint64_t page_up(uint64_t value) {
    return page_down(value + getpagesize() - 1);
}

/* Reserves the address range of all segments, aligned as the strictest of them wants. */
static int reserve(struct program *program) {
    uint64_t low = UINT64_MAX, high = 0, align = getpagesize();
    uint8_t *memory;

    for (int i = 0; i < program->header.e_phnum; i++) {
        const Elf64_Phdr *segment = &program->segments[i];

        if (segment->p_type != PT_LOAD)
            continue;
        if (page_down(segment->p_vaddr) < low)
            low = page_down(segment->p_vaddr);
        if (page_up(segment->p_vaddr + segment->p_memsz) > high)
            high = page_up(segment->p_vaddr + segment->p_memsz);
        if (segment->p_align > align)
            align = segment->p_align;
    }
    if (high <= low) {
        errno = ENOEXEC;
        return -1;
    }
    memory = mmap(NULL, high - low + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                  -1, 0);
    if (memory == MAP_FAILED)
        return -1;
    program->base = (uint8_t *)(((uintptr_t)memory + align - 1) & ~(align - 1)) - low;
    return 0;
}

static int map_segment(const struct program *program, const Elf64_Phdr *segment) {
    uint64_t start = page_down(segment->p_vaddr);
    uint64_t file_end = segment->p_vaddr + segment->p_filesz;
    uint64_t memory_end = page_up(segment->p_vaddr + segment->p_memsz);
    uint64_t mapped_end = segment->p_filesz == 0 ? start : page_up(file_end);
    int protection = (segment->p_flags & PF_R ? PROT_READ : 0) |
                     (segment->p_flags & PF_W ? PROT_WRITE : 0) |
                     (segment->p_flags & PF_X ? PROT_EXEC : 0);

    if (mapped_end > start &&
        mmap(program->base + start, mapped_end - start, protection, MAP_PRIVATE | MAP_FIXED,
             program->fd,
             (off_t)(program->file_offset + page_down(segment->p_offset))) == MAP_FAILED)
        return -1;
    if (memory_end > mapped_end &&
        mmap(program->base + mapped_end, memory_end - mapped_end, protection,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        return -1;
    /* The last page of the file part goes on with the next bytes of the file; .bss wants zeros. */
    if (segment->p_memsz > segment->p_filesz && mapped_end > file_end)
        memset(program->base + file_end, 0, mapped_end - file_end);
    return 0;
}

static int map_program(struct program *program) {
    if (reserve(program) < 0)
        return -1;
    for (int i = 0; i < program->header.e_phnum; i++) {
        if (program->segments[i].p_type == PT_LOAD &&
            map_segment(program, &program->segments[i]) < 0)
            return -1;
    }
    return 0;
}

/* Where ld.so finds the program headers of the program it is to link. */
static uint64_t headers_address(const struct program *program) {
    for (int i = 0; i < program->header.e_phnum; i++) {
        if (program->segments[i].p_type == PT_PHDR)
            return (uint64_t)program->base + program->segments[i].p_vaddr;
    }
    return (uint64_t)program->base + program->header.e_phoff;
}

/*
 * glibc has registered an rseq area for this thread, and the kernel allows one: the runtime's libc
 * could not register its own, and the kernel would go on writing to ours.
 */
static void unregister_rseq(void) {
    const uint32_t signature = 0x53053053; /* RSEQ_SIG of x86 */
    uint8_t *area = (uint8_t *)__builtin_thread_pointer() + __rseq_offset;
    uint64_t feature_size = getauxval(AUXV_RSEQ_FEATURE_SIZE);

    if (__rseq_size == 0)
        return;
    /* The size must be the one of the registration: 32, or more where the kernel has more. */
    if (syscall(SYS_rseq, area, 32, RSEQ_FLAG_UNREGISTER, signature) < 0)
        syscall(SYS_rseq, area, (feature_size + 31) & ~31UL, RSEQ_FLAG_UNREGISTER, signature);
}

/* The auxiliary vector stands behind the environment the kernel gave us. */
static size_t copy_auxv(Elf64_auxv_t *out, const struct program *runtime,
                        const struct program *linker) {
    extern char **environ;
    char **end = environ;
    size_t count = 0;

    while (*end != NULL)
        end++;
    for (const Elf64_auxv_t *in = (const Elf64_auxv_t *)(end + 1); count < AUXV_MAX; in++) {
        Elf64_auxv_t entry = *in;

        switch (entry.a_type) {
        case AT_PHDR:
            entry.a_un.a_val = headers_address(runtime);
            break;
        case AT_PHNUM:
            entry.a_un.a_val = runtime->header.e_phnum;
            break;
        case AT_ENTRY:
            entry.a_un.a_val = (uint64_t)runtime->base + runtime->header.e_entry;
            break;
        case AT_BASE:
            entry.a_un.a_val = (uint64_t)linker->base;
            break;
        }
        out[count++] = entry;
        if (entry.a_type == AT_NULL)
            return count;
    }
    return 0;
}

/* Leaves this program: the stack is as at the first instruction of a new one. */
static _Noreturn void enter(uint64_t entry, void *stack) {
    __asm__ volatile("mov %0, %%rsp\n\t"
                     /* No function to call at exit, no frame before this one. */
                     "xor %%edx, %%edx\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "jmp *%1"
                     :
                     : "r"(stack), "r"(entry)
                     : "memory", "rdx");
    __builtin_unreachable();
}

static size_t count(char **list) {
    size_t length = 0;

    while (list[length] != NULL)
        length++;
    return length;
}

/* Writes argc, argv, envp and auxv where a new program expects them, and starts ld.so. */
static _Noreturn void run(const struct program *linker, const struct invocation *call,
                          const Elf64_auxv_t *auxv, size_t auxv_count) {
    size_t argc = count(call->argv), envc = count(call->envp);
    size_t words = 1 + argc + 1 + envc + 1 + auxv_count * 2;
    /* On the stack the kernel made, which may grow; 16 is the alignment at a program's start. */
    uint64_t *stack = (uint64_t *)(((uintptr_t)alloca(words * 8 + 16) + 15) & ~(uintptr_t)15);
    uint64_t *next = stack;

    *next++ = argc;
    memcpy(next, call->argv, (argc + 1) * 8);
    next += argc + 1;
    memcpy(next, call->envp, (envc + 1) * 8);
    next += envc + 1;
    memcpy(next, auxv, auxv_count * sizeof(*auxv));
    unregister_rseq();
    enter((uint64_t)linker->base + linker->header.e_entry, stack);
}

void start_mapped(const struct image *image, const struct invocation *call, struct failure *why) {
    static struct program runtime, linker;
    Elf64_auxv_t auxv[AUXV_MAX];
    size_t auxv_count;

    runtime.fd = image->fd;
    runtime.file_offset = image->trailer->runtime.offset;
    if (read_program(&runtime) < 0) {
        set_failure(why, "Cannot read the Deno inside");
        return;
    }
    linker.fd = open(runtime.interpreter, O_RDONLY | O_CLOEXEC);
    if (linker.fd < 0 || read_program(&linker) < 0) {
        set_failure(why, "Cannot read \"%s\"", runtime.interpreter);
        return;
    }
    if (map_program(&runtime) < 0 || map_program(&linker) < 0) {
        set_failure(why, "Cannot map the Deno inside");
        return;
    }
    close(linker.fd);
    auxv_count = copy_auxv(auxv, &runtime, &linker);
    if (auxv_count == 0) {
        errno = 0;
        set_failure(why, "Cannot copy the auxiliary vector: more than %d entries", AUXV_MAX);
        return;
    }
    run(&linker, call, auxv, auxv_count);
}

#endif

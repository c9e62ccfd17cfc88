/*
 * Makes the system calls that stdin asks for, a line each, and writes a line with the result:
 *
 *   call TABLE NUMBER ARG...     TABLE is 64 or 32 (int 0x80)       -> value, or -errno
 *   as UID TABLE NUMBER ARG...   the same from a thread of that uid -> value, or -errno
 *   exec FD ARG                  goes on as that program, by execve if FD is -100 -> "ready"
 *   texec FD ARG                 the same from another thread   -> "ready"
 *   fork                         a child goes on in its stead       -> "ready"
 *   end
 *
 * ARG is a number, or @ and bytes in hexadecimal, which become memory with a NUL behind, or & and
 * more arguments with commas between, which become an array of 32-bit words. Before @ and & may
 * stand what memory it is: % a page of a file that nobody has touched, / two of which the second is
 * such a page, ! two of which the second cannot be had. The first line is "ready".
 */
#include "workload.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum {
    LINE_SIZE = 1 << 16,
    MEMORY_SIZE = 1 << 16,
    ARGS_MAX = 6,
    PAGE_SIZE = 4096,
    MOVED_MAX = 16,
    /* Of memory that crosses into another page: bytes before the border. */
    BEFORE_BORDER = 3,
};

#if !defined(MAP_32BIT)
#define MAP_32BIT 0
#endif

static char line[LINE_SIZE];
static unsigned char *memory;
static size_t memory_used;
static void *moved[MOVED_MAX];
static size_t moved_count;

struct request {
    long uid; /* -1: as it is */
    int is_compat;
    long number;
    long args[ARGS_MAX];
    long result;
};

static int digit(char letter) {
    return letter <= '9' ? letter - '0' : letter - 'a' + 10;
}

static unsigned char *take_memory(size_t size) {
    unsigned char *at = memory + memory_used;
    check(memory_used + size <= MEMORY_SIZE, "find memory for arguments");
    memory_used = (memory_used + size + 15) & ~(size_t)15;
    return at;
}

/* A page of the file `fd` at `at`, or anywhere; in memory of 32-bit calls. */
static unsigned char *map_page(int fd, off_t offset, int flags, unsigned char *at) {
    int fixed = at ? MAP_FIXED : MAP_32BIT;
    unsigned char *page = mmap(at, PAGE_SIZE, PROT_READ, flags | fixed, fd, offset);
    check(page != MAP_FAILED, "map a page of a file");
    return page;
}

/* The same bytes in memory as `kind` says, see above, until the next request. */
static long move_bytes(const void *bytes, size_t size, char kind) {
    int fd = syscall(SYS_memfd_create, "fresh", 0);
    size_t start = kind == '%' ? 0 : PAGE_SIZE - BEFORE_BORDER;
    check(fd >= 0 && ftruncate(fd, 2 * PAGE_SIZE) == 0, "make a file");
    check(pwrite(fd, bytes, size, start) == (ssize_t)size, "write a file");
    /* Room for two, of which the second cannot be had. */
    unsigned char *first =
        mmap(NULL, 2 * PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    check(first != MAP_FAILED && moved_count < MOVED_MAX, "find two pages");
    moved[moved_count++] = first;
    map_page(fd, 0, MAP_PRIVATE, first);
    /* Another kind of mapping: what is touched in the first would bring its neighbours too. */
    if (kind == '/')
        map_page(fd, PAGE_SIZE, MAP_SHARED, first + PAGE_SIZE);
    if (kind != '%')
        check(*(volatile unsigned char *)(first + start) == *(const unsigned char *)bytes, "touch");
    close(fd);
    return (long)(first + start);
}

static long parse_arg(char *text);

static long parse_bytes(const char *text) {
    size_t size = strlen(text) / 2;
    unsigned char *at = take_memory(size + 1);
    for (size_t i = 0; i < size; i++)
        at[i] = digit(text[2 * i]) << 4 | digit(text[2 * i + 1]);
    at[size] = 0;
    return (long)at;
}

static long parse_array(char *text) {
    char *rest = NULL;
    unsigned int *words = (unsigned int *)take_memory(ARGS_MAX * sizeof(*words));
    size_t count = 0;
    memset(words, 0, ARGS_MAX * sizeof(*words));
    for (char *part = strtok_r(text, ",", &rest); part && count < ARGS_MAX;
         part = strtok_r(NULL, ",", &rest))
        words[count++] = parse_arg(part);
    return (long)words;
}

static long parse_arg(char *text) {
    if (strchr("%/!", text[0])) {
        size_t size = text[1] == '@' ? strlen(text + 2) / 2 + 1 : ARGS_MAX * sizeof(int);
        return move_bytes((const void *)parse_arg(text + 1), size, text[0]);
    }
    if (text[0] == '@')
        return parse_bytes(text + 1);
    if (text[0] == '&')
        return parse_array(text + 1);
    return text[0] == '-' ? strtol(text, NULL, 0) : (long)strtoul(text, NULL, 0);
}

static void parse_call(struct request *request, char **rest) {
    request->is_compat = strcmp(strtok_r(NULL, " ", rest), "32") == 0;
    request->number = strtol(strtok_r(NULL, " ", rest), NULL, 0);
    memset(request->args, 0, sizeof(request->args));
    for (int i = 0; i < ARGS_MAX; i++) {
        char *text = strtok_r(NULL, " ", rest);
        if (text)
            request->args[i] = parse_arg(text);
    }
}

static long call_compat(const struct request *request) {
#if defined(__x86_64__)
    const long *args = request->args;
    long result;
    /* The sixth argument goes into rbp, which the compiler may need: it is never given here. */
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(request->number), "b"(args[0]), "c"(args[1]), "d"(args[2]), "S"(args[3]),
                       "D"(args[4])
                     : "memory", "r8", "r9", "r10", "r11");
    return (int)result;
#else
    (void)request;
    return -ENOSYS;
#endif
}

static void *run_request(void *given) {
    struct request *request = given;
    const long *args = request->args;
    /* The call itself, not libc's, which changes all threads. */
    if (request->uid >= 0 && syscall(SYS_setresuid, request->uid, request->uid, request->uid) < 0) {
        request->result = -errno;
        return NULL;
    }
    if (request->is_compat) {
        request->result = call_compat(request);
        return NULL;
    }
    long result = syscall(request->number, args[0], args[1], args[2], args[3], args[4], args[5]);
    request->result = result == -1 ? -errno : result;
    return NULL;
}

/* Given to a thread that calls exec. */
struct image {
    int fd;
    const char *path;
};

static void *become(void *given) {
    const struct image *image = given;
    char *const arguments[] = {(char *)"workload", (char *)"calls", NULL};
    if (image->fd == AT_FDCWD)
        execve(image->path, arguments, environ);
    else
        syscall(SYS_execveat, image->fd, image->path, arguments, environ, AT_EMPTY_PATH);
    printf("%d\n", -errno);
    return NULL;
}

static void answer(char *word, char **rest) {
    struct request request = {.uid = -1};
    pthread_t thread;
    memory_used = 0;
    while (moved_count > 0)
        munmap(moved[--moved_count], 2 * PAGE_SIZE);
    if (strcmp(word, "fork") == 0) {
        pid_t child = fork();
        check(child >= 0, "fork");
        if (child > 0) {
            wait_for(child);
            exit(0);
        }
        puts("ready");
        return;
    }
    if (strcmp(word, "exec") == 0 || strcmp(word, "texec") == 0) {
        struct image image = {.fd = atoi(strtok_r(NULL, " ", rest))};
        image.path = (const char *)parse_arg(strtok_r(NULL, " ", rest));
        if (word[0] == 'e') {
            become(&image);
            return;
        }
        check(pthread_create(&thread, NULL, become, &image) == 0, "make a thread");
        check(pthread_join(thread, NULL) == 0, "wait for a thread");
        return;
    }
    if (strcmp(word, "other-exe") == 0) {
        printf("%d\n", become_other_exe((const char *)parse_arg(strtok_r(NULL, " ", rest))));
        return;
    }
    if (strcmp(word, "as") == 0) {
        request.uid = strtol(strtok_r(NULL, " ", rest), NULL, 0);
        parse_call(&request, rest);
        check(pthread_create(&thread, NULL, run_request, &request) == 0, "make a thread");
        check(pthread_join(thread, NULL) == 0, "wait for a thread");
    } else {
        parse_call(&request, rest);
        run_request(&request);
    }
    printf("%ld\n", request.result);
}

int run_calls(int argc, char **argv) {
    (void)argc;
    (void)argv;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_32BIT;
    memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
    check(memory != MAP_FAILED, "map memory for arguments");
    setvbuf(stdin, NULL, _IONBF, 0); /* what another image is to read must not be read before */
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        char *rest = NULL;
        line[strcspn(line, "\n")] = 0;
        char *word = strtok_r(line, " ", &rest);
        if (!word || strcmp(word, "end") == 0)
            break;
        answer(word, &rest);
        fflush(stdout);
    }
    return 0;
}

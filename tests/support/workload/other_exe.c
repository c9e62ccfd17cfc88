/* A process that says it is another file, without exec: prctl(PR_SET_MM, PR_SET_MM_MAP). */
#include "workload.h"
#include <fcntl.h>
#include <linux/prctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

enum { FIELDS = 52, AREAS_MAX = 64 };

struct area {
    unsigned long start, size;
};

/* The kernel refuses as long as memory of the old file is mapped, so copies take its place. */
static void leave_file(void) {
    static struct area areas[AREAS_MAX];
    char line[4096], exe[4096];
    int count = 0;
    ssize_t size = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    check(size > 0, "read the name");
    exe[size] = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    check(maps != NULL, "open maps");
    while (fgets(line, sizeof(line), maps) && count < AREAS_MAX) {
        unsigned long end;
        line[strcspn(line, "\n")] = 0;
        if (!strstr(line, exe))
            continue;
        check(sscanf(line, "%lx-%lx", &areas[count].start, &end) == 2, "read maps");
        areas[count].size = end - areas[count].start;
        count++;
    }
    fclose(maps);
    for (int i = 0; i < count; i++) {
        void *at = (void *)areas[i].start;
        void *copy = mmap(NULL, areas[i].size, PROT_READ | PROT_WRITE | PROT_EXEC,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        check(copy != MAP_FAILED, "map");
        memcpy(copy, at, areas[i].size);
        check(mremap(copy, areas[i].size, areas[i].size, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at,
              "move");
    }
}

/* 0, or an errno. */
int become_other_exe(const char *path) {
    unsigned long field[FIELDS + 1] = {0};
    char text[4096];
    struct prctl_mm_map map = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    FILE *stat = fopen("/proc/self/stat", "r");
    check(fd >= 0 && stat && fgets(text, sizeof(text), stat), "open");
    fclose(stat);
    char *rest = strrchr(text, ')') + 2;
    for (int i = 3; i <= FIELDS && rest; i++) {
        char *word = strsep(&rest, " ");
        field[i] = strtoul(word, NULL, 10);
    }
    map.start_code = field[26];
    map.end_code = field[27];
    map.start_stack = field[28];
    map.start_data = field[45];
    map.end_data = field[46];
    map.start_brk = field[47];
    map.brk = (unsigned long)sbrk(0);
    map.arg_start = field[48];
    map.arg_end = field[49];
    map.env_start = field[50];
    map.env_end = field[51];
    map.exe_fd = fd;
    leave_file();
    int error = prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) ? errno : 0;
    close(fd);
    return error;
}

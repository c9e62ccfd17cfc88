/*
 * Programs at a cgroup that are not ours: `workload net-foreign DIRECTORY COUNT` attaches so many
 * that count the packets sent and let all pass, as others may have done before the agent came. A
 * line in asks for a line with the counts; the end of lines takes them away.
 */
#include "workload.h"
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/syscall.h>

enum { FOREIGN_MAX = 8 };

static int bpf(int command, union bpf_attr *attributes) {
    return syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

static int make_counter(void) {
    union bpf_attr attributes = {
        .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1};
    int fd = bpf(BPF_MAP_CREATE, &attributes);
    check(fd >= 0, "make a map");
    return fd;
}

static int load_counting(int map) {
    struct bpf_insn code[] = {
        /* *(u32 *)(r10 - 4) = 0; r0 = lookup(map, r10 - 4) */
        {.code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = 10, .off = -4},
        {.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 2, .src_reg = 10},
        {.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 2, .imm = -4},
        {.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD, .imm = map},
        {},
        {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_map_lookup_elem},
        /* if (r0) atomic: *r0 += 1; return 1 */
        {.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = 0, .off = 2},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 1, .imm = 1},
        {.code = BPF_STX | BPF_ATOMIC | BPF_DW, .dst_reg = 0, .src_reg = 1, .imm = BPF_ADD},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1},
        {.code = BPF_JMP | BPF_EXIT},
    };
    union bpf_attr attributes = {
        .prog_type = BPF_PROG_TYPE_CGROUP_SKB,
        .expected_attach_type = BPF_CGROUP_INET_EGRESS,
        .insns = (unsigned long)code,
        .insn_cnt = sizeof(code) / sizeof(code[0]),
        .license = (unsigned long)"GPL",
    };
    int fd = bpf(BPF_PROG_LOAD, &attributes);
    check(fd >= 0, "load a program");
    return fd;
}

static void attach(int command, int cgroup, int program) {
    union bpf_attr attributes = {};
    attributes.target_fd = cgroup;
    attributes.attach_bpf_fd = program;
    attributes.attach_type = BPF_CGROUP_INET_EGRESS;
    attributes.attach_flags = command == BPF_PROG_ATTACH ? BPF_F_ALLOW_MULTI : 0;
    check(bpf(command, &attributes) == 0, "attach or detach");
}

int run_net_foreign(int argc, char **argv) {
    int count = argc > 2 ? atoi(argv[2]) : 0;
    int maps[FOREIGN_MAX], programs[FOREIGN_MAX];
    char line[16];
    check(count > 0 && count <= FOREIGN_MAX, "count");
    int cgroup = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check(cgroup >= 0, "open the cgroup");
    for (int i = 0; i < count; i++) {
        maps[i] = make_counter();
        programs[i] = load_counting(maps[i]);
        attach(BPF_PROG_ATTACH, cgroup, programs[i]);
    }
    puts("attached");
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        for (int i = 0; i < count; i++) {
            unsigned key = 0;
            unsigned long long value = 0;
            union bpf_attr attributes = {.map_fd = maps[i]};
            attributes.key = (unsigned long)&key;
            attributes.value = (unsigned long)&value;
            check(bpf(BPF_MAP_LOOKUP_ELEM, &attributes) == 0, "read a count");
            printf("%llu ", value);
        }
        puts("");
        fflush(stdout);
    }
    for (int i = 0; i < count; i++)
        attach(BPF_PROG_DETACH, cgroup, programs[i]);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Attaches the programs of empty_network.bpf.c until stdin ends; prints "ready" when they run.
 *
 *     empty_network OBJECT ROOT packets    for packets alone
 *     empty_network OBJECT ROOT all        for sends and receives, too
 *
 * ROOT is the root of the cgroup v2 tree.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check(int ok, const char *what) {
    if (ok)
        return;
    fprintf(stderr, "empty_network: Cannot %s: %s\n", what, strerror(errno));
    exit(1);
}

int main(int argc, char **argv) {
    struct bpf_program *program;
    char byte;
    check(argc == 4, "read arguments");
    int all = strcmp(argv[3], "all") == 0;
    int root = open(argv[2], O_RDONLY | O_DIRECTORY);
    check(root >= 0, "open the root of cgroup v2");
    struct bpf_object *object = bpf_object__open(argv[1]);
    check(object != NULL, "open the object");
    bpf_object__for_each_program(program, object) {
        if (bpf_program__type(program) != BPF_PROG_TYPE_CGROUP_SKB)
            bpf_program__set_autoload(program, all);
    }
    check(bpf_object__load(object) == 0, "load");
    bpf_object__for_each_program(program, object) {
        int is_packet = bpf_program__type(program) == BPF_PROG_TYPE_CGROUP_SKB;
        if (!is_packet && !all)
            continue;
        check((is_packet ? bpf_program__attach_cgroup(program, root)
                         : bpf_program__attach(program)) != NULL,
              "attach");
    }
    puts("ready");
    fflush(stdout);
    while (read(0, &byte, 1) > 0) {
    }
    return 0;
}

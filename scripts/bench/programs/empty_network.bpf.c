// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Programs that do nothing, at the places where the agent's run for each packet and each call: what
 * the kernel takes for running any there. For the network bench, nothing the agent ships.
 */
#include "kernel_types.h"
#include <bpf/bpf_helpers.h>

char license_text[] SEC("license") = "Dual BSD/GPL";

SEC("cgroup_skb/ingress")
int on_ingress(void *context) {
    return 1;
}

SEC("cgroup_skb/egress")
int on_egress(void *context) {
    return 1;
}

SEC("tp_btf/sock_send_length")
int on_send(void *context) {
    return 0;
}

SEC("tp_btf/sock_recv_length")
int on_receive(void *context) {
    return 0;
}

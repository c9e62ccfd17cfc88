/**
 * Offsets (bytes) of the C structs we fill or read ourselves. They are stable ABI: the kernel and
 * libbpf only ever append. `struct_layouts_test.ts` compares them with the installed C headers.
 *
 * @module
 */

/** `struct bpf_object_open_opts` of libbpf, as far as we fill it. */
export const BPF_OBJECT_OPEN_OPTS = {
  SIZE: 80,
  sz: 0, // size_t
  object_name: 8, // const char *
} as const;

/** `struct bpf_prog_info` of <linux/bpf.h>, as of Linux 5.16. */
export const BPF_PROG_INFO = {
  SIZE: 232,
  type: 0, // u32
  id: 4, // u32
  run_time_ns: 192, // u64, since 5.1
  run_cnt: 200, // u64, since 5.1
  recursion_misses: 208, // u64, since 5.12
} as const;

/** `struct bpf_link_info` of the kernel, for links of cgroups. */
export const BPF_LINK_INFO = {
  SIZE: 32,
  type: 0, // u32
  prog_id: 8, // u32
  cgroup_id: 16, // u64, 0 when the link is detached
} as const;

/** `struct bpf_test_run_opts` of libbpf, as of 1.0. */
export const BPF_TEST_RUN_OPTS = {
  SIZE: 80,
  sz: 0, // size_t
  retval: 56, // u32, written by the call
} as const;

/** `struct bpf_kprobe_multi_opts` of libbpf, as of 0.8. */
export const BPF_KPROBE_MULTI_OPTS = {
  SIZE: 48,
  sz: 0, // size_t
  syms: 8, // const char **
  cookies: 24, // const __u64 *
  cnt: 32, // size_t
} as const;

/** `struct perf_event_attr` of <linux/perf_event.h>; 64 bytes is its first published size. */
export const PERF_EVENT_ATTR = {
  SIZE: 64,
  type: 0, // u32
  size: 4, // u32
  config: 8, // u64
  sample_period: 16, // u64
  sample_type: 24, // u64
  read_format: 32, // u64
  flags: 40, // u64 of bit-fields
  wakeup: 48, // u32: events, or bytes when the watermark flag is set
} as const;

/** `struct perf_event_mmap_page` of <linux/perf_event.h>: the first page of a mapped ring. */
export const PERF_EVENT_MMAP_PAGE = {
  data_head: 1024, // u64, written by the kernel
  data_tail: 1032, // u64, written by us
} as const;

/** `struct rusage` of <sys/resource.h> on 64-bit. */
export const RUSAGE = {
  SIZE: 144,
  ru_utime: 0, // struct timeval: i64 s, i64 us
  ru_stime: 16, // struct timeval
  ru_maxrss: 32, // long, KiB
  ru_nvcsw: 128, // long
  ru_nivcsw: 136, // long
} as const;

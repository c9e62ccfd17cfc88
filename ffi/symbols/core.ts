/**
 * libbpf itself: version, log, probes, statistics.
 *
 * @module
 */
export const CORE_SYMBOLS = {
  libbpf_version_string: { parameters: [], result: "pointer" }, // const char *(void)
  libbpf_num_possible_cpus: { parameters: [], result: "i32" }, // int(void), -errno
  libbpf_set_print: {
    parameters: [
      "function", // libbpf_print_fn_t fn: int (*)(enum libbpf_print_level, const char *, va_list)
    ],
    result: "pointer", // the function before
  },
  libbpf_probe_bpf_prog_type: {
    parameters: [
      "i32", // enum bpf_prog_type prog_type
      "pointer", // const void *opts, reserved
    ],
    result: "i32", // 1 yes, 0 no, -errno
  },
  libbpf_probe_bpf_map_type: {
    parameters: [
      "i32", // enum bpf_map_type map_type
      "pointer", // const void *opts, reserved
    ],
    result: "i32", // 1 yes, 0 no, -errno
  },
  bpf_enable_stats: {
    parameters: [
      "i32", // enum bpf_stats_type type
    ],
    result: "i32", // fd, or -errno
  },
} as const satisfies Deno.ForeignLibraryInterface;

/**
 * `struct bpf_program`.
 *
 * @module
 */
export const PROGRAM_SYMBOLS = {
  bpf_program__name: {
    parameters: [
      "pointer", // const struct bpf_program *prog
    ],
    result: "pointer", // const char *, owned by the program
  },
  bpf_program__fd: {
    parameters: [
      "pointer", // const struct bpf_program *prog
    ],
    result: "i32", // fd owned by the object, or -errno before load
  },
  bpf_program__autoload: {
    parameters: [
      "pointer", // const struct bpf_program *prog
    ],
    result: "bool",
  },
  bpf_program__set_autoload: {
    parameters: [
      "pointer", // struct bpf_program *prog
      "bool", // bool autoload
    ],
    result: "i32", // 0, or -errno
  },
  bpf_program__set_log_buf: {
    parameters: [
      "pointer", // struct bpf_program *prog
      "buffer", // char *log_buf, must live until the load is over
      "usize", // size_t log_size
    ],
    result: "i32", // 0, or -errno
  },
  bpf_program__attach: {
    parameters: [
      "pointer", // const struct bpf_program *prog
    ],
    result: "pointer", // struct bpf_link *, or NULL and errno
  },
  bpf_program__set_attach_target: {
    parameters: [
      "pointer", // struct bpf_program *prog
      "i32", // int attach_prog_fd, 0 for the kernel
      "buffer", // const char *attach_func_name
    ],
    result: "i32", // 0, or -errno
  },
  bpf_program__attach_kprobe: {
    parameters: [
      "pointer", // const struct bpf_program *prog
      "bool", // bool retprobe
      "buffer", // const char *func_name
    ],
    result: "pointer", // struct bpf_link *, or NULL and errno
  },
  bpf_program__attach_kprobe_multi_opts: {
    parameters: [
      "pointer", // const struct bpf_program *prog
      "pointer", // const char *pattern, NULL where opts has names
      "buffer", // const struct bpf_kprobe_multi_opts *opts
    ],
    result: "pointer", // struct bpf_link *, or NULL and errno
  },
  bpf_program__attach_tracepoint: {
    parameters: [
      "pointer", // const struct bpf_program *prog
      "buffer", // const char *tp_category
      "buffer", // const char *tp_name
    ],
    result: "pointer", // struct bpf_link *, or NULL and errno
  },
  bpf_program__attach_raw_tracepoint: {
    parameters: [
      "pointer", // const struct bpf_program *prog
      "buffer", // const char *tp_name
    ],
    result: "pointer", // struct bpf_link *, or NULL and errno
  },
  bpf_program__attach_cgroup: {
    parameters: [
      "pointer", // const struct bpf_program *prog
      "i32", // int cgroup_fd
    ],
    result: "pointer", // struct bpf_link *, or NULL and errno
  },
  bpf_prog_test_run_opts: {
    parameters: [
      "i32", // int prog_fd
      "buffer", // struct bpf_test_run_opts *opts
    ],
    result: "i32", // 0, or -errno
  },
  bpf_obj_get_info_by_fd: {
    parameters: [
      "i32", // int bpf_fd
      "buffer", // void *info
      "buffer", // __u32 *info_len
    ],
    result: "i32", // 0, or -errno
  },
} as const satisfies Deno.ForeignLibraryInterface;

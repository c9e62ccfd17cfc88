/**
 * `struct bpf_link`.
 *
 * @module
 */
export const LINK_SYMBOLS = {
  bpf_link__fd: {
    parameters: [
      "pointer", // const struct bpf_link *link
    ],
    result: "i32", // the link's own
  },
  bpf_iter_create: {
    parameters: [
      "i32", // int link_fd
    ],
    result: "i32", // a descriptor of the caller's, or -errno
  },
  bpf_link__destroy: {
    parameters: [
      "pointer", // struct bpf_link *link
    ],
    result: "i32", // 0, or -errno; the link is gone in both cases
  },
} as const satisfies Deno.ForeignLibraryInterface;

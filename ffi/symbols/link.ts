/**
 * `struct bpf_link`.
 *
 * @module
 */
export const LINK_SYMBOLS = {
  bpf_link__destroy: {
    parameters: [
      "pointer", // struct bpf_link *link
    ],
    result: "i32", // 0, or -errno; the link is gone in both cases
  },
} as const satisfies Deno.ForeignLibraryInterface;

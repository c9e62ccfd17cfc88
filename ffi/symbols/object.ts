/**
 * `struct bpf_object`.
 *
 * @module
 */
export const OBJECT_SYMBOLS = {
  bpf_object__open_mem: {
    parameters: [
      "buffer", // const void *obj_buf
      "usize", // size_t obj_buf_sz
      "buffer", // const struct bpf_object_open_opts *opts
    ],
    result: "pointer", // struct bpf_object *, or NULL and errno
  },
  bpf_object__load: {
    parameters: [
      "pointer", // struct bpf_object *obj
    ],
    result: "i32", // 0, or -errno
  },
  bpf_object__close: {
    parameters: [
      "pointer", // struct bpf_object *obj
    ],
    result: "void",
  },
  bpf_object__next_program: {
    parameters: [
      "pointer", // const struct bpf_object *obj
      "pointer", // struct bpf_program *prog, NULL for the first
    ],
    result: "pointer", // struct bpf_program *, NULL after the last
  },
  bpf_object__next_map: {
    parameters: [
      "pointer", // const struct bpf_object *obj
      "pointer", // const struct bpf_map *map, NULL for the first
    ],
    result: "pointer", // struct bpf_map *, NULL after the last
  },
  bpf_object__find_map_by_name: {
    parameters: [
      "pointer", // const struct bpf_object *obj
      "buffer", // const char *name
    ],
    result: "pointer", // struct bpf_map *, or NULL
  },
} as const satisfies Deno.ForeignLibraryInterface;

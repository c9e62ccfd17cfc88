/**
 * `struct bpf_map`, and maps by descriptor.
 *
 * @module
 */

/** Access by descriptor: all that a capture worker needs of libbpf. */
export const MAP_ELEMENT_SYMBOLS = {
  bpf_map_lookup_elem: {
    parameters: [
      "i32", // int fd
      "buffer", // const void *key
      "buffer", // void *value
    ],
    result: "i32", // 0, or -errno
  },
  bpf_map_update_elem: {
    parameters: [
      "i32", // int fd
      "buffer", // const void *key
      "buffer", // const void *value
      "u64", // __u64 flags
    ],
    result: "i32", // 0, or -errno
  },
  bpf_map_get_next_key: {
    parameters: [
      "i32", // int fd
      "buffer", // const void *cur_key, or NULL for the first
      "buffer", // void *next_key
    ],
    result: "i32", // 0, or -errno; -ENOENT after the last
  },
  bpf_map_delete_elem: {
    parameters: [
      "i32", // int fd
      "buffer", // const void *key
    ],
    result: "i32", // 0, or -errno
  },
  bpf_map_lookup_and_delete_elem: {
    parameters: [
      "i32", // int fd
      "buffer", // const void *key
      "buffer", // void *value
    ],
    result: "i32", // 0, or -errno; -ENOTSUPP for a hash before 5.14
  },
  bpf_map_lookup_and_delete_batch: {
    parameters: [
      "i32", // int fd
      "buffer", // void *in_batch, or NULL for the begin
      "buffer", // void *out_batch
      "buffer", // void *keys
      "buffer", // void *values
      "buffer", // __u32 *count: room, and then what is there
      "pointer", // const struct bpf_map_batch_opts *opts, or NULL
    ],
    result: "i32", // 0, or -errno; -ENOENT when these were the last
  },
} as const satisfies Deno.ForeignLibraryInterface;

export const MAP_SYMBOLS = {
  bpf_map__name: {
    parameters: [
      "pointer", // const struct bpf_map *map
    ],
    result: "pointer", // const char *, owned by the map
  },
  bpf_map__fd: {
    parameters: [
      "pointer", // const struct bpf_map *map
    ],
    result: "i32", // fd owned by the object, or negative before load
  },
  bpf_map__type: {
    parameters: [
      "pointer", // const struct bpf_map *map
    ],
    result: "u32", // enum bpf_map_type
  },
  bpf_map__key_size: {
    parameters: [
      "pointer", // const struct bpf_map *map
    ],
    result: "u32",
  },
  bpf_map__value_size: {
    parameters: [
      "pointer", // const struct bpf_map *map
    ],
    result: "u32",
  },
  bpf_map__max_entries: {
    parameters: [
      "pointer", // const struct bpf_map *map
    ],
    result: "u32",
  },
  bpf_map__set_max_entries: {
    parameters: [
      "pointer", // struct bpf_map *map
      "u32", // __u32 max_entries
    ],
    result: "i32", // 0, or -errno
  },
  bpf_map__map_flags: {
    parameters: [
      "pointer", // const struct bpf_map *map
    ],
    result: "u32", // BPF_F_*
  },
  bpf_map__set_map_flags: {
    parameters: [
      "pointer", // struct bpf_map *map
      "u32", // __u32 flags
    ],
    result: "i32", // 0, or -errno
  },
  bpf_map__reuse_fd: {
    parameters: [
      "pointer", // struct bpf_map *map
      "i32", // int fd; libbpf makes its own duplicate
    ],
    result: "i32", // 0, or -errno
  },
  bpf_map__initial_value: {
    parameters: [
      "pointer", // const struct bpf_map *map
      "buffer", // size_t *psize
    ],
    result: "pointer", // void *, owned by the map, NULL when it has none
  },
  ...MAP_ELEMENT_SYMBOLS,
} as const satisfies Deno.ForeignLibraryInterface;

/**
 * Elements of BPF maps by descriptor. This is all a capture worker needs of libbpf, so it can be
 * opened alone, without touching libbpf's process-wide log function.
 *
 * @module
 */
import { dlopen } from "./dlopen.ts";
import { Errno } from "./errno.ts";
import { unwrap } from "./errors.ts";
import { MAP_ELEMENT_SYMBOLS, type MapElementSymbols } from "./symbols/mod.ts";

/** When `update()` may write; `BPF_ANY` of <linux/bpf.h> is the default. */
export const MapUpdate = { any: 0n, noExist: 1n, exist: 2n } as const;

/** Memory for a part of a map. */
export interface MapBatch {
  /** Elements for which there is memory. */
  readonly room: number;
  readonly keys: Uint8Array<ArrayBuffer>;
  readonly values: Uint8Array<ArrayBuffer>;
  /** Opaque; as long as a key, and 4 bytes at least. */
  readonly place: Uint8Array<ArrayBuffer> | null;
  readonly next: Uint8Array<ArrayBuffer>;
}

/** Look-up, update and delete by descriptor. Each call is one bpf(2) of about 0.4 us. */
export class MapElements {
  readonly #symbols: MapElementSymbols;
  readonly #close: () => void;

  constructor(symbols: MapElementSymbols, close: () => void = () => {}) {
    this.#symbols = symbols;
    this.#close = close;
  }

  /**
   * Fills `value` with the element.
   *
   * @returns false when the map has no such key.
   * @throws {LibbpfError} any other failure.
   */
  lookup(fd: number, key: Uint8Array<ArrayBuffer>, value: Uint8Array<ArrayBuffer>): boolean {
    const code = this.#symbols.bpf_map_lookup_elem(fd, key, value);
    if (code === -Errno.ENOENT) return false;
    unwrap(code, {
      operation: "bpf_map_lookup_elem",
      action: "read an element of map",
      object: `fd ${fd}`,
    });
    return true;
  }

  /** @throws {LibbpfError} the kernel refused. */
  update(
    fd: number,
    key: Uint8Array<ArrayBuffer>,
    value: Uint8Array<ArrayBuffer>,
    flags: bigint = MapUpdate.any,
  ): void {
    unwrap(this.#symbols.bpf_map_update_elem(fd, key, value, flags), {
      operation: "bpf_map_update_elem",
      action: "write an element of map",
      object: `fd ${fd}`,
    });
  }

  /**
   * @returns false when the map had no such key.
   * @throws {LibbpfError} any other failure.
   */
  delete(fd: number, key: Uint8Array<ArrayBuffer>): boolean {
    const code = this.#symbols.bpf_map_delete_elem(fd, key);
    if (code === -Errno.ENOENT) return false;
    unwrap(code, {
      operation: "bpf_map_delete_elem",
      action: "delete an element of map",
      object: `fd ${fd}`,
    });
    return true;
  }

  /**
   * Fills `value` with the element and takes that out, in one step for all who update the map. Of a
   * hash, also per CPU, since 5.14.
   *
   * @returns false when the map had no such key.
   * @throws {LibbpfError} any other failure; ENOTSUPP where the kernel cannot.
   */
  take(fd: number, key: Uint8Array<ArrayBuffer>, value: Uint8Array<ArrayBuffer>): boolean {
    const operation = "bpf_map_lookup_and_delete_elem";
    const code = this.#symbols[operation](fd, key, value);
    if (code === -Errno.ENOENT) return false;
    unwrap(code, { operation, action: "take an element of map", object: `fd ${fd}` });
    return true;
  }

  /**
   * Fills `next` with the key after `key`; without `key` with the first. A key that is not there
   * (any more) is followed by the first too.
   *
   * @returns false after the last.
   * @throws {LibbpfError} any other failure.
   */
  nextKey(
    fd: number,
    key: Uint8Array<ArrayBuffer> | null,
    next: Uint8Array<ArrayBuffer>,
  ): boolean {
    const code = this.#symbols.bpf_map_get_next_key(fd, key, next);
    if (code === -Errno.ENOENT) return false;
    unwrap(code, {
      operation: "bpf_map_get_next_key",
      action: "list the keys of map",
      object: `fd ${fd}`,
    });
    return true;
  }

  /**
   * Takes up to `room` elements out of a hash map, keys and values one after the other; not of a
   * per-CPU map. `place` is where the last call has stopped; null begins, and `next` is filled for
   * the call after. Since 5.6.
   *
   * @returns how many there were, and whether that were the last
   * @throws {LibbpfError} any failure; ENOSPC when `room` is too small for a part of the map.
   */
  takeBatch(fd: number, batch: MapBatch): { readonly count: number; readonly isLast: boolean } {
    const count = new Uint32Array([batch.room]);
    const operation = "bpf_map_lookup_and_delete_batch";
    const { place, next, keys, values } = batch;
    const code = this.#symbols[operation](fd, place, next, keys, values, count, null);
    const isLast = code === -Errno.ENOENT;
    if (!isLast) unwrap(code, { operation, action: "empty map", object: `fd ${fd}` });
    return { count: count[0] ?? 0, isLast };
  }

  /** Closes the library handle when this object opened it. */
  [Symbol.dispose](): void {
    this.#close();
  }
}

/**
 * Opens only these calls of a libbpf library.
 *
 * @throws {LibraryError} the file is no such library.
 */
export function openMapElements(path: string): MapElements {
  const library = dlopen(path, MAP_ELEMENT_SYMBOLS);
  let open = true;
  return new MapElements(library.symbols, () => {
    if (open) library.close();
    open = false;
  });
}

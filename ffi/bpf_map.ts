/**
 * One map of a BPF object.
 *
 * @module
 */
import { readCString } from "./c_string.ts";
import type { ObjectState } from "./object_state.ts";
import { LibbpfError, unwrap } from "./errors.ts";
import { Errno } from "./errno.ts";
import { type MapElements, MapUpdate } from "./map_elements.ts";
import { BorrowedMemory } from "./memory.ts";

/** `enum bpf_map_type` of <linux/bpf.h>, as far as we name them. */
export const BpfMapType = {
  HASH: 1,
  ARRAY: 2,
  PERF_EVENT_ARRAY: 4,
  PERCPU_HASH: 5,
  PERCPU_ARRAY: 6,
  LRU_HASH: 9,
  LRU_PERCPU_HASH: 10,
  PERCPU_CGROUP_STORAGE: 21,
  RINGBUF: 27,
} as const;

/** `BPF_F_*` of <linux/bpf.h> for maps: elements are allocated when they are entered. */
export const BPF_F_NO_PREALLOC = 1;

const PER_CPU_TYPES: ReadonlySet<number> = new Set([
  BpfMapType.PERCPU_HASH,
  BpfMapType.PERCPU_ARRAY,
  BpfMapType.LRU_PERCPU_HASH,
  BpfMapType.PERCPU_CGROUP_STORAGE,
]);

/** Elements per call of `takeAll()`: a call is not felt, and its memory is small. */
const BATCH_ROOM = 1024;

/** A map. Owned by its object: it ends with it. */
export class BpfMap {
  readonly name: string;
  readonly #pointer: Deno.PointerObject;
  readonly #state: ObjectState;
  readonly #elements: MapElements;
  #initial: BorrowedMemory | null = null;

  constructor(pointer: Deno.PointerObject, state: ObjectState, elements: MapElements) {
    this.#pointer = pointer;
    this.#state = state;
    this.#elements = elements;
    this.name = readCString(state.symbols.bpf_map__name(pointer));
  }

  /** Whether this is the map at that pointer. */
  isAt(pointer: Deno.PointerObject): boolean {
    return Deno.UnsafePointer.equals(this.#pointer, pointer);
  }

  /**
   * Descriptor, owned by the object.
   *
   * @throws {LibbpfError} the object is not loaded.
   */
  get fd(): number {
    const fd = this.#state.symbols.bpf_map__fd(this.#alive("bpf_map__fd"));
    return unwrap(fd, this.#attempt("bpf_map__fd", "get the descriptor of map"));
  }

  /** `enum bpf_map_type`. */
  get type(): number {
    return this.#state.symbols.bpf_map__type(this.#alive("bpf_map__type"));
  }

  /** Bytes. */
  get keySize(): number {
    return this.#state.symbols.bpf_map__key_size(this.#alive("bpf_map__key_size"));
  }

  /** Bytes, of one CPU when the map is per CPU. */
  get valueSize(): number {
    return this.#state.symbols.bpf_map__value_size(this.#alive("bpf_map__value_size"));
  }

  get maxEntries(): number {
    return this.#state.symbols.bpf_map__max_entries(this.#alive("bpf_map__max_entries"));
  }

  /** Before load only. @throws {LibbpfError} */
  setMaxEntries(entries: number): void {
    const pointer = this.#alive("bpf_map__set_max_entries");
    unwrap(
      this.#state.symbols.bpf_map__set_max_entries(pointer, entries),
      this.#attempt("bpf_map__set_max_entries", "set the size of map"),
    );
  }

  /** `BPF_F_*` that the map is made with, beside those it has. Before load only. */
  addFlags(flags: number): void {
    const pointer = this.#alive("bpf_map__set_map_flags");
    const before = this.#state.symbols.bpf_map__map_flags(pointer);
    unwrap(
      this.#state.symbols.bpf_map__set_map_flags(pointer, before | flags),
      this.#attempt("bpf_map__set_map_flags", "set the flags of map"),
    );
  }

  /** Uses an existing map instead of making one; libbpf duplicates `fd`. Before load only. */
  reuseFd(fd: number): void {
    const pointer = this.#alive("bpf_map__reuse_fd");
    unwrap(
      this.#state.symbols.bpf_map__reuse_fd(pointer, fd),
      this.#attempt("bpf_map__reuse_fd", "reuse another map for map"),
    );
  }

  /**
   * The bytes a global-variables map (.rodata, .data, .bss) will start with, to be changed in
   * place. Before load only: the load makes all views of it empty, because libbpf then maps the
   * kernel's, partly read-only, memory there.
   *
   * @throws {LibbpfError} the map has no initial value, or the object is loaded.
   */
  initialValue(): Uint8Array<ArrayBuffer> {
    const attempt = this.#attempt("bpf_map__initial_value", "change the initial value of map");
    const pointer = this.#alive("bpf_map__initial_value");
    if (this.#state.phase !== "open") throw new LibbpfError(attempt, Errno.EBUSY);
    if (this.#initial === null) {
      const size = new BigUint64Array(1);
      const memory = this.#state.symbols.bpf_map__initial_value(pointer, size);
      // libbpf leaves errno alone here: NULL means a map without such memory.
      if (memory === null) throw new LibbpfError(attempt, Errno.ENOENT);
      this.#initial = new BorrowedMemory(memory, Number(size[0]));
    }
    return new Uint8Array(this.#initial.buffer);
  }

  /**
   * The value of a key, null when there is none. A per-CPU map gives the values of all possible
   * CPUs one after the other, each padded to 8 bytes.
   */
  lookup(key: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | null {
    this.#checkKey(key);
    const value = new Uint8Array(this.#userValueSize());
    return this.#elements.lookup(this.fd, key, value) ? value : null;
  }

  /** Writes a value; for a per-CPU map in the form `lookup()` gives. */
  update(
    key: Uint8Array<ArrayBuffer>,
    value: Uint8Array<ArrayBuffer>,
    flags: bigint = MapUpdate.any,
  ): void {
    this.#checkKey(key);
    const size = this.#userValueSize();
    if (value.length !== size) {
      throw new RangeError(
        `Cannot write map "${this.name}": value of ${value.length} bytes, it has ${size}`,
      );
    }
    this.#elements.update(this.fd, key, value, flags);
  }

  /** @returns false when there was no such key. */
  delete(key: Uint8Array<ArrayBuffer>): boolean {
    this.#checkKey(key);
    return this.#elements.delete(this.fd, key);
  }

  /**
   * Takes an element out; its value as `lookup()` gives it, null when there is none. Since 5.14.
   *
   * @throws {LibbpfError} ENOTSUPP where the kernel cannot.
   */
  take(key: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | null {
    this.#checkKey(key);
    const value = new Uint8Array(this.#userValueSize());
    return this.#elements.take(this.fd, key, value) ? value : null;
  }

  /**
   * The keys that are there, at most as many as the map can hold. What programs enter or delete
   * meanwhile may be missing, or be there twice.
   */
  keys(): Uint8Array<ArrayBuffer>[] {
    const keys: Uint8Array<ArrayBuffer>[] = [];
    const [fd, size, max] = [this.fd, this.keySize, this.maxEntries];
    for (let last: Uint8Array<ArrayBuffer> | null = null; keys.length < max;) {
      const next = new Uint8Array(size);
      if (!this.#elements.nextKey(fd, last, next)) break;
      keys.push(next);
      last = next;
    }
    return keys;
  }

  /**
   * Takes all elements out, part by part; of a hash map that is not per CPU. `take` gets a key and
   * its value as places in memory that is used again.
   *
   * @returns how many there were
   */
  takeAll(
    take: (keys: DataView, keyAt: number, values: DataView, valueAt: number) => void,
  ): number {
    const [fd, keySize, valueSize] = [this.fd, this.keySize, this.valueSize];
    let room = Math.min(BATCH_ROOM, this.maxEntries);
    let keys = new Uint8Array(room * keySize);
    let values = new Uint8Array(room * valueSize);
    let place: Uint8Array<ArrayBuffer> | null = null;
    let taken = 0;
    for (;;) {
      const next: Uint8Array<ArrayBuffer> = new Uint8Array(Math.max(keySize, 4));
      let part;
      try {
        part = this.#elements.takeBatch(fd, { room, keys, values, place, next });
      } catch (error) {
        // One hash bucket has more; the map cannot have more than all of it.
        const isTooSmall = error instanceof LibbpfError && error.code === Errno.ENOSPC;
        if (!isTooSmall || room >= this.maxEntries) throw error;
        room = Math.min(room * 2, this.maxEntries);
        keys = new Uint8Array(room * keySize);
        values = new Uint8Array(room * valueSize);
        continue;
      }
      const [keyView, valueView] = [new DataView(keys.buffer), new DataView(values.buffer)];
      for (let i = 0; i < part.count; i++) take(keyView, i * keySize, valueView, i * valueSize);
      taken += part.count;
      // Nothing after a part that was not the last: programs may have deleted the rest.
      if (part.isLast) return taken;
      place = next;
    }
  }

  /** Bytes the kernel charges for the map, as it says in fdinfo. */
  memlockBytes(): number {
    const text = Deno.readTextFileSync(`/proc/self/fdinfo/${this.fd}`);
    return Number(/^memlock:\s*(\d+)/m.exec(text)?.[1] ?? 0);
  }

  /** Takes away the views of the initial value. Called by the object before load and close. */
  detachInitialValue(): void {
    this.#initial?.detach();
    this.#initial = null;
  }

  #userValueSize(): number {
    const size = this.valueSize;
    if (!PER_CPU_TYPES.has(this.type)) return size;
    return Math.ceil(size / 8) * 8 * this.#state.possibleCpuCount();
  }

  /** The kernel reads as many bytes as the map says, whatever the buffer holds. */
  #checkKey(key: Uint8Array): void {
    if (key.length !== this.keySize) {
      throw new RangeError(
        `Cannot use map "${this.name}": key of ${key.length} bytes, it has ${this.keySize}`,
      );
    }
  }

  #alive(operation: string): Deno.PointerObject {
    if (this.#state.phase === "closed") {
      throw new LibbpfError(this.#attempt(operation, "use map"), Errno.EBADF);
    }
    return this.#pointer;
  }

  #attempt(operation: string, action: string) {
    return { operation, action, object: this.name };
  }
}

/**
 * A libbpf without a kernel: one object with two programs and two maps. Any call can be made to
 * fail, and what is open is counted.
 *
 * @module
 */
import { Errno, type LibbpfParts } from "../../ffi/mod.ts";

type Symbols = LibbpfParts["symbols"];
type SymbolName = keyof Symbols;

/** How each call says that it failed; those that are not here cannot fail. */
const FAILURES: Partial<Record<SymbolName, "null" | "negative">> = {
  bpf_object__open_mem: "null",
  bpf_object__find_map_by_name: "null",
  bpf_program__attach: "null",
  bpf_program__attach_kprobe: "null",
  bpf_program__attach_kprobe_multi_opts: "null",
  bpf_program__attach_tracepoint: "null",
  bpf_program__attach_raw_tracepoint: "null",
  bpf_program__attach_cgroup: "null",
  bpf_program__set_attach_target: "negative",
  bpf_map__initial_value: "null",
  libbpf_num_possible_cpus: "negative",
  libbpf_probe_bpf_prog_type: "negative",
  libbpf_probe_bpf_map_type: "negative",
  bpf_enable_stats: "negative",
  bpf_object__load: "negative",
  bpf_program__fd: "negative",
  bpf_program__set_autoload: "negative",
  bpf_program__set_log_buf: "negative",
  bpf_prog_test_run_opts: "negative",
  bpf_obj_get_info_by_fd: "negative",
  bpf_map__fd: "negative",
  bpf_map__set_max_entries: "negative",
  bpf_map__set_map_flags: "negative",
  bpf_map__reuse_fd: "negative",
  bpf_map_lookup_elem: "negative",
  bpf_map_update_elem: "negative",
  bpf_map_get_next_key: "negative",
  bpf_map_delete_elem: "negative",
  bpf_map_lookup_and_delete_elem: "negative",
  bpf_map_lookup_and_delete_batch: "negative",
  bpf_iter_create: "negative",
  bpf_link__destroy: "negative",
};

/** The symbols that can fail. */
export const FAILING_SYMBOLS = Object.keys(FAILURES) as readonly SymbolName[];

const STATS_FD = 77;
/** Of `struct bpf_test_run_opts`. */
const RETVAL_AT = 56;
/** What programs return. */
export const PROGRAM_RESULT = 42;
const CPUS = 2;

/** Memory with an address, as C would have it. */
function allocate(text: string): Deno.PointerObject {
  const memory = new Uint8Array(new ArrayBuffer(64));
  memory.set(new TextEncoder().encode(text));
  KEPT.push(memory);
  return Deno.UnsafePointer.of(memory)!;
}

/** The fake's memory must not be collected while pointers to it go round. */
const KEPT: Uint8Array[] = [];

/** `parts` is for `new Libbpf()`. */
export class FakeLibbpf {
  /** Calls that were made, in their order. */
  readonly calls: SymbolName[] = [];
  /** What was opened and not closed: "object", "link", "library", "fd 77". */
  readonly open: string[] = ["library"];
  /** The call that is to fail, from its `time`th time on (1 is the first), and with which errno. */
  failing: { readonly symbol: SymbolName; readonly time: number; readonly errno: number } | null =
    null;
  /** What the verifier writes when the load fails. */
  verifierLog = "";
  version = "v1.1";
  /** Errno that is left behind by a probe that answers no; null for probes that answer yes. */
  probeErrno: number | null = null;
  #errno = 0;
  #log: Uint8Array | null = null;
  readonly #object = allocate("object");
  readonly #programs = [allocate("on_exec"), allocate("on_exit")];
  readonly #maps = [allocate("records"), allocate("fake.rodata")];
  readonly #value = allocate("");

  /** Everything a `Libbpf` stands on. */
  get parts(): LibbpfParts {
    return {
      symbols: this.#symbols(),
      errno: { read: () => this.#errno },
      libc: {
        vsnprintf: () => 0,
        close: (fd) => {
          this.#closed(`fd ${fd}`);
          return 0;
        },
      },
      close: () => this.#closed("library"),
    };
  }

  #symbols(): Symbols {
    const working = this.#working();
    const symbols: Record<string, unknown> = {};
    for (const name of Object.keys(working) as SymbolName[]) {
      const call = working[name] as (...values: unknown[]) => unknown;
      symbols[name] = (...values: unknown[]) => {
        this.calls.push(name);
        const times = this.calls.filter((made) => made === name).length;
        if (this.failing?.symbol !== name || times < this.failing.time) return call(...values);
        return this.#fail(name, this.failing.errno, call, values);
      };
    }
    return symbols as Symbols;
  }

  #fail(
    name: SymbolName,
    errno: number,
    call: (...values: unknown[]) => unknown,
    values: unknown[],
  ): unknown {
    // As libbpf does it: the log is filled, and a link is gone whatever destroy returns.
    if (name === "bpf_object__load") this.#log?.set(new TextEncoder().encode(this.verifierLog));
    if (name === "bpf_link__destroy") call(...values);
    this.#errno = errno;
    return FAILURES[name] === "null" ? null : -errno;
  }

  #working(): Symbols {
    return {
      libbpf_version_string: () => allocate(this.version),
      libbpf_num_possible_cpus: () => CPUS,
      libbpf_set_print: () => null,
      libbpf_probe_bpf_prog_type: () => this.#probe(),
      libbpf_probe_bpf_map_type: () => this.#probe(),
      bpf_enable_stats: () => this.#opened(`fd ${STATS_FD}`, STATS_FD),
      bpf_object__open_mem: () => this.#opened("object", this.#object),
      bpf_object__load: () => 0,
      bpf_object__close: () => this.#closed("object"),
      bpf_object__next_program: (_object, before) => next(this.#programs, before),
      bpf_object__next_map: (_object, before) => next(this.#maps, before),
      bpf_object__find_map_by_name: (_object, name) =>
        this.#maps[new TextDecoder().decode(name as Uint8Array) === "records\0" ? 0 : 1]!,
      bpf_program__name: (program) => program,
      bpf_program__fd: () => 5,
      bpf_program__autoload: () => true,
      bpf_program__set_autoload: () => 0,
      bpf_program__set_log_buf: (_program, log) => {
        this.#log = log as Uint8Array;
        return 0;
      },
      bpf_program__attach: () => this.#opened("link", allocate("link")),
      bpf_program__attach_kprobe: () => this.#opened("link", allocate("link")),
      bpf_program__attach_kprobe_multi_opts: () => this.#opened("link", allocate("link")),
      bpf_program__attach_tracepoint: () => this.#opened("link", allocate("link")),
      bpf_program__attach_raw_tracepoint: () => this.#opened("link", allocate("link")),
      bpf_program__attach_cgroup: () => this.#opened("link", allocate("link")),
      bpf_program__set_attach_target: () => 0,
      bpf_prog_test_run_opts: (_fd, options) => {
        new DataView((options as Uint8Array).buffer).setUint32(RETVAL_AT, PROGRAM_RESULT, true);
        return 0;
      },
      bpf_obj_get_info_by_fd: () => 0,
      bpf_map__name: (map) => map,
      bpf_map__fd: () => 6,
      bpf_map__type: () => 2,
      bpf_map__key_size: () => 4,
      bpf_map__value_size: () => 8,
      bpf_map__max_entries: () => 1,
      bpf_map__set_max_entries: () => 0,
      bpf_map__map_flags: () => 0,
      bpf_map__set_map_flags: () => 0,
      bpf_map__reuse_fd: () => 0,
      bpf_map__initial_value: (_map, size) => {
        (size as BigUint64Array)[0] = 8n;
        return this.#value;
      },
      bpf_map_lookup_elem: () => 0,
      bpf_map_update_elem: () => 0,
      bpf_map_get_next_key: () => 0,
      bpf_map_delete_elem: () => 0,
      bpf_map_lookup_and_delete_elem: () => 0,
      // One element in the first part, one in the second, which is the last.
      bpf_map_lookup_and_delete_batch: (_fd, place, _next, _keys, _values, count) => {
        (count as Uint32Array)[0] = 1;
        return place === null ? 0 : -Errno.ENOENT;
      },
      bpf_link__fd: () => 8,
      bpf_iter_create: () => 9,
      bpf_link__destroy: () => {
        this.#closed("link");
        return 0;
      },
    };
  }

  #probe(): number {
    this.#errno = this.probeErrno ?? this.#errno;
    return this.probeErrno === null ? 1 : 0;
  }

  #opened<Result>(what: string, result: Result): Result {
    this.open.push(what);
    return result;
  }

  #closed(what: string): void {
    const at = this.open.indexOf(what);
    if (at < 0) throw new Error(`${what} was closed and not open`);
    this.open.splice(at, 1);
  }
}

/** As bpf_object__next_*(): the one behind `before`, NULL behind the last. */
function next(list: readonly Deno.PointerObject[], before: Deno.PointerValue): Deno.PointerValue {
  const at = list.findIndex((item) => Deno.UnsafePointer.equals(item, before));
  return list[at + 1] ?? null;
}

/**
 * Names that this machine's kernel has, from its type information: anybody may read that.
 *
 * @module
 */
import { Buffer } from "node:buffer";

const BTF_PATH = "/sys/kernel/btf/vmlinux";
const LSM = "\0bpf_lsm_";
const TRACEPOINT = "\0btf_trace_";
/** Longer names are none. */
const NAME_LENGTH_MAX = 128;

/** LSM hooks and tracepoints by name. Nothing is kept but the names, once somebody asks. */
export class KernelNames {
  readonly #path: string;
  #names: { readonly lsm: ReadonlySet<string>; readonly trace: ReadonlySet<string> } | undefined;

  constructor(path = BTF_PATH) {
    this.#path = path;
  }

  /** Whether the kernel says anything at all about itself. */
  get isKnown(): boolean {
    return this.#all.lsm.size + this.#all.trace.size > 0;
  }

  hasLsmHook(name: string): boolean {
    return this.#all.lsm.has(name);
  }

  /** Those of the kernel itself; a module may bring more. */
  get tracepoints(): ReadonlySet<string> {
    return this.#all.trace;
  }

  get #all() {
    if (this.#names === undefined) {
      const bytes = readFile(this.#path);
      this.#names = { lsm: namesBehind(bytes, LSM), trace: namesBehind(bytes, TRACEPOINT) };
    }
    return this.#names;
  }
}

/** Those of this machine. */
export const RUNNING_KERNEL = new KernelNames();

function readFile(path: string): Buffer {
  try {
    return Buffer.from(Deno.readFileSync(path).buffer);
  } catch {
    return Buffer.alloc(0);
  }
}

function namesBehind(bytes: Buffer, prefix: string): ReadonlySet<string> {
  const names = new Set<string>();
  for (let at = bytes.indexOf(prefix); at >= 0; at = bytes.indexOf(prefix, at + 1)) {
    const from = at + prefix.length;
    const end = bytes.indexOf(0, from);
    if (end > from && end - from <= NAME_LENGTH_MAX) names.add(bytes.toString("latin1", from, end));
  }
  return names;
}

/**
 * What the running kernel can do.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { BpfMapType, type Libbpf } from "../../ffi/mod.ts";
import type { KernelFeature } from "../sensors/sensor.ts";

/** A feature: since when kernels have it, and how to ask this one. */
export interface FeatureProbe {
  /** Mainline version, `[major, minor]`. */
  readonly since: readonly [number, number];
  /** For people: what to have or build. */
  readonly need: string;
  probe(kernel: KernelUnderProbe): boolean;
}

/** What probes look at; tests hand in their own. */
export interface KernelUnderProbe {
  readonly libbpf: Pick<Libbpf, "probeMapType">;
  /** The kernel's BTF file. */
  readonly btfPath: string;
}

/** Where kernels with CONFIG_DEBUG_INFO_BTF show their types. */
export const KERNEL_BTF_PATH = "/sys/kernel/btf/vmlinux";

/**
 * Each raw tracepoint has a typedef of this name in BTF; tp_btf programs are checked against it.
 */
const TRACEPOINT_PREFIX = "btf_trace_";

/** Every feature a sensor may require. */
export const KERNEL_FEATURES: Readonly<Record<KernelFeature, FeatureProbe>> = {
  btf: {
    since: [5, 2],
    need: "a kernel built with CONFIG_DEBUG_INFO_BTF",
    probe: ({ btfPath }) => exists(btfPath),
  },
  tp_btf: {
    since: [5, 5],
    need: "a kernel 5.5 or newer with CONFIG_BPF_EVENTS",
    probe: ({ btfPath }) => exists(btfPath) && readBtfStrings(btfPath).includes(TRACEPOINT_PREFIX),
  },
  perf_event_array: {
    since: [4, 3],
    need: "a kernel built with CONFIG_PERF_EVENTS",
    probe: ({ libbpf }) => libbpf.probeMapType(BpfMapType.PERF_EVENT_ARRAY),
  },
};

/** Answers about the running kernel; each question is asked once. */
export class KernelFeatures {
  readonly #kernel: KernelUnderProbe;
  readonly #known = new Map<KernelFeature, boolean>();

  constructor(libbpf: Pick<Libbpf, "probeMapType">, btfPath = KERNEL_BTF_PATH) {
    this.#kernel = { libbpf, btfPath };
  }

  has(feature: KernelFeature): boolean {
    let answer = this.#known.get(feature);
    if (answer === undefined) {
      answer = KERNEL_FEATURES[feature].probe(this.#kernel);
      this.#known.set(feature, answer);
    }
    return answer;
  }

  /**
   * Those of `hooks` ("tp_btf/NAME", "fentry/NAME", "fexit/NAME") that this kernel does not have;
   * other kinds are not judged.
   */
  missingHooks(hooks: readonly string[]): string[] {
    const strings = readBtfStrings(this.#kernel.btfPath);
    return hooks.filter((hook) => {
      const [kind, name] = hook.split("/");
      if (kind === "tp_btf") return !strings.includes(`\0${TRACEPOINT_PREFIX}${name}\0`);
      return (kind === "fentry" || kind === "fexit") && !strings.includes(`\0${name}\0`);
    });
  }
}

/** `[major, minor]` of a release such as "6.12.48+deb13-cloud-amd64". */
export function parseKernelVersion(release: string): readonly [number, number] {
  const match = /^(\d+)\.(\d+)/.exec(release);
  return [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
}

/** Whether `release` is of version `since` or newer. */
export function isKernelSince(release: string, since: readonly [number, number]): boolean {
  const [major, minor] = parseKernelVersion(release);
  return major > since[0] || (major === since[0] && minor >= since[1]);
}

/** Offsets of u32 fields in `struct btf_header` (uapi/linux/btf.h), a stable interface. */
const BTF_HEADER = { size: 24, headerLength: 4, stringsOffset: 16, stringsLength: 20 } as const;
const BTF_MAGIC = 0xeb9f;

/** The names in a BTF file, each with a NUL before and behind it: about 1 MiB. */
function readBtfStrings(path: string): Buffer {
  using file = Deno.openSync(path);
  const header = readAt(file, 0, BTF_HEADER.size);
  const view = new DataView(header.buffer);
  if (view.getUint16(0, true) !== BTF_MAGIC) {
    throw new RangeError(`Cannot read "${path}": it is no BTF of this byte order`);
  }
  const at = view.getUint32(BTF_HEADER.headerLength, true) +
    view.getUint32(BTF_HEADER.stringsOffset, true);
  return Buffer.from(readAt(file, at, view.getUint32(BTF_HEADER.stringsLength, true)).buffer);
}

function readAt(file: Deno.FsFile, offset: number, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  file.seekSync(offset, Deno.SeekMode.Start);
  for (let at = 0; at < size;) {
    const count = file.readSync(bytes.subarray(at));
    if (count === null) throw new RangeError(`Cannot read BTF: it ends after ${offset + at} bytes`);
    at += count;
  }
  return bytes;
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

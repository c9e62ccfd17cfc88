/**
 * What programs may do on this kernel, found out by doing it to a file of our own. That a program
 * can be loaded and attached says little: BPF LSM programs can be where no LSM ever calls them.
 *
 * @module
 */
import { join } from "node:path";
import type { BpfLink, BpfObject, BpfProgram, Libbpf } from "../../ffi/mod.ts";
import {
  explainLoadFailure,
  type ManifestObject,
  type Payload,
  readManifest,
  writeGlobals,
} from "../loader/mod.ts";
import type { Ability } from "../policy/mod.ts";

/** What the attempts need. */
export interface CanaryOptions {
  readonly libbpf: Libbpf;
  readonly payload: Pick<Payload, "read">;
  /** Folder for the file; the system's for temporary files unless a test has another. */
  readonly directory?: string;
}

/** Programs of `bpf/canary` that know the file. */
export type CanaryProgram =
  | "on_canary_lsm"
  | "on_canary_modify"
  | "on_canary_kprobe"
  | "on_canary_multi"
  | "on_canary_syscall"
  | "on_canary_override";

/** Programs of `bpf/canary` that do nothing, where they are attached. */
export type TryProgram = "on_try_modify" | "on_try_override" | "on_try_lsm";

const NAME_BYTES = 16;

/** What opens the file, and is asked before it is opened. */
const OPENAT = Deno.build.arch === "aarch64" ? "__arm64_sys_openat" : "__x64_sys_openat";
const FILE_OPEN = "security_file_open";
/** CANARY_COOKIE of `canary.bpf.c`. */
const COOKIE = 77;

/** How programs are attached whose sections do not say it. */
const ATTACH: Partial<Record<CanaryProgram, (program: BpfProgram) => BpfLink>> = {
  on_canary_multi: (program) => program.attachKprobeMulti([{ name: FILE_OPEN, cookie: COOKIE }]),
  on_canary_override: (program) => program.attachKprobe(OPENAT, false),
};
/** Targets that must be known when they are loaded. */
const TARGETS: Partial<Record<CanaryProgram, string>> = { on_canary_syscall: OPENAT };

/** A file that nobody else knows, and programs about it. */
export class Canary {
  readonly #options: CanaryOptions;
  readonly #entry: ManifestObject | undefined;
  readonly #folder: string;
  readonly #name = crypto.getRandomValues(new Uint8Array(NAME_BYTES)).toHex();

  /** @throws {Error} the file cannot be made. */
  constructor(options: CanaryOptions) {
    this.#options = options;
    this.#entry = readManifest(options.payload)["canary"];
    const { directory } = options;
    this.#folder = Deno.makeTempDirSync({
      prefix: "shrike-",
      ...(directory && { dir: directory }),
    });
    Deno.writeTextFileSync(this.#path, "", { mode: 0o600 });
  }

  /** Whether opening the file is denied while the program is attached, and only then. */
  denies(program: CanaryProgram): Ability {
    return this.#try(program, TARGETS[program], (object) => {
      if (!this.#canOpen()) return no("the test file cannot be opened anyway");
      const link = attach(object, program);
      const opened = this.#canOpen();
      link[Symbol.dispose]();
      if (opened) return no("a program that was to deny a test was attached, and not asked");
      return this.#canOpen() ? { has: true } : no("a program denies after it was detached");
    });
  }

  /** Whether the program sees that the file is opened. */
  sees(program: CanaryProgram): Ability {
    return this.#try(program, TARGETS[program], (object) => {
      using _link = attach(object, program);
      this.#canOpen();
      const seen = object.map("canary_seen").lookup(new Uint8Array(4));
      const count = seen === null ? 0n : new DataView(seen.buffer).getBigUint64(0, true);
      return count > 0n ? { has: true } : no("a program was attached, and did not run");
    });
  }

  /** Whether the kernel takes a program that could replace what a function returns. */
  takes(program: TryProgram, target: string): Ability {
    const isKprobe = program === "on_try_override";
    return this.#try(program, isKprobe ? undefined : target, (object) => {
      const tried = object.program(program);
      using _link = isKprobe ? tried.attachKprobe(target, false) : tried.attach();
      return { has: true };
    });
  }

  /** Whether the verifier takes the program there; nothing is attached. */
  accepts(program: "on_try_modify" | "on_try_lsm", target: string): Ability {
    return this.#try(program, target, () => ({ has: true }));
  }

  #try(
    name: CanaryProgram | TryProgram,
    target: string | undefined,
    run: (object: BpfObject) => Ability,
  ): Ability {
    const entry = this.#entry;
    if (entry === undefined) return no("the program carries no object to try it with");
    const { libbpf, payload } = this.#options;
    try {
      using object = libbpf.openObject(payload.read(`bpf/${entry.file}`), "canary");
      const name_ = new DataView(new TextEncoder().encode(this.#name).buffer);
      const globals = Object.fromEntries(
        [0, 1, 2, 3].map((i) => [`canary_name_${i}`, name_.getBigUint64(8 * i, true)]),
      );
      globals["canary_path_size"] = BigInt(
        new TextEncoder().encode(this.#path).length - this.#name.length,
      );
      writeGlobals("canary", globals, entry.globals, (map) => object.map(map).initialValue());
      for (const program of object.programs) program.setAutoload(program.name === name);
      if (target !== undefined) object.program(name).setAttachTarget(target);
      object.load();
      return run(object);
    } catch (error) {
      return no(explainLoadFailure("canary", error).state);
    }
  }

  get #path(): string {
    return join(this.#folder, this.#name);
  }

  #canOpen(): boolean {
    try {
      Deno.openSync(this.#path).close();
      return true;
    } catch {
      return false;
    }
  }

  [Symbol.dispose](): void {
    try {
      Deno.removeSync(this.#folder, { recursive: true });
    } catch {
      // It is empty and in a folder for such things.
    }
  }
}

function attach(object: BpfObject, program: CanaryProgram): BpfLink {
  const how = ATTACH[program] ?? ((other: BpfProgram) => other.attach());
  return how(object.program(program));
}

function no(reason: string): Ability {
  return { has: false, reason };
}

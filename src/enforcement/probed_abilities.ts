/**
 * What the running kernel can do for policies.
 *
 * @module
 */
import type { Libbpf } from "../../ffi/mod.ts";
import { isKernelSince, type Payload } from "../loader/mod.ts";
import type {
  Ability,
  HookPoint,
  KernelAbilities,
  PointState,
  ReplaceMeans,
  SyscallFunctions,
} from "../policy/mod.ts";
import { nearestWord } from "../telemetry/mod.ts";
import { Canary, type CanaryOptions, type TryProgram } from "./canary.ts";
import { KernelBtf, type KernelFunction } from "./kernel_btf.ts";
import { KernelSymbols } from "./kernel_symbols.ts";
import { Tracefs } from "./tracepoint_format.ts";

/** What the probes work with; paths are the system's unless a test has others. */
export interface ProbedAbilitiesOptions {
  readonly libbpf: Libbpf;
  readonly payload: Pick<Payload, "read">;
  readonly btfPath?: string;
  readonly lsmPath?: string;
  readonly kallsymsPath?: string;
  readonly tracefs?: Tracefs;
  readonly canaryDirectory?: string;
}

/** First kernel of which it is not known that it attaches many functions at once in good time. */
const MULTI_NOT_SINCE = [7, 0] as const;

const BTF_PATH = "/sys/kernel/btf/vmlinux";
const LSM_PATH = "/sys/kernel/security/lsm";
const KALLSYMS_PATH = "/proc/kallsyms";
const SECURITY = "security_";
const LSM = "bpf_lsm_";

/** Names that are told where one is not known. */
const NEAREST_MAX = 3;
/** More letters more or less are no misspelling, and need not be compared. */
const LENGTH_DIFFERENCE_MAX = 3;
const SAME_LETTERS = 3;

/** Asks the running kernel: each question when it first comes up, and once. */
export class ProbedAbilities implements KernelAbilities {
  readonly #options: ProbedAbilitiesOptions;
  readonly #tracefs: Tracefs;
  readonly #known = new Map<string, Ability>();
  readonly #points = new Map<string, PointState>();
  /** Functions of system calls that were asked for. */
  readonly #typed = new Map<string, boolean>();
  #btf: KernelBtf | null | undefined;
  #kernelSymbols: KernelSymbols | undefined;

  constructor(options: ProbedAbilitiesOptions) {
    this.#options = options;
    this.#tracefs = options.tracefs ?? new Tracefs();
  }

  get kprobe(): Ability {
    return this.#ask("kprobe", (canary) => canary.sees("on_canary_kprobe"));
  }

  get tracepoint(): Ability {
    return this.#tracefs.root === undefined
      ? no("tracefs is not mounted at /sys/kernel/tracing")
      : { has: true };
  }

  get lsm(): Ability {
    const active = readText(this.#options.lsmPath ?? LSM_PATH)?.trim();
    if (active !== undefined && !active.split(",").includes("bpf")) {
      return no(`BPF is no active LSM here (active: ${active})`);
    }
    return this.#ask("lsm", (canary) => canary.denies("on_canary_lsm"));
  }

  get modifyReturn(): Ability {
    return this.#ask("modifyReturn", (canary) => canary.denies("on_canary_modify"));
  }

  get modifySyscall(): Ability {
    return this.#ask("modifySyscall", (canary) => canary.denies("on_canary_syscall"));
  }

  get modifyCompat(): Ability {
    const name = this.#symbols.compatFunction;
    if (name === undefined) return no("the kernel has no 32-bit calls");
    return this.#ask("modifyCompat", (canary) => {
      const taken = canary.takes("on_try_modify", name);
      return taken.has ? taken : no("their functions cannot be replaced");
    });
  }

  get overrideReturn(): Ability {
    return this.#ask("overrideReturn", (canary) => canary.denies("on_canary_override"));
  }

  get kprobeMulti(): Ability {
    // Guests with 7.2 took minutes to attach some functions together; why is not known.
    if (isKernelSince(Deno.osRelease(), MULTI_NOT_SINCE)) {
      return no("functions are attached one by one since 7.0");
    }
    return this.#ask("kprobeMulti", (canary) => canary.sees("on_canary_multi"));
  }

  readonly accepts = (means: "lsm" | "fmod_ret", target: string): Ability => {
    const program = means === "lsm" ? "on_try_lsm" : "on_try_modify";
    // libbpf would look for it in the types of all modules, and keep those open.
    const known = means === "lsm" ? LSM + target : target;
    if (!this.#isTyped(known)) return no(`the kernel's types have no function ${known}`);
    return this.#ask(`${program} ${target}`, (canary) => canary.accepts(program, target));
  };

  findPoint(point: HookPoint): PointState {
    const key = JSON.stringify(point);
    let state = this.#points.get(key);
    if (state === undefined) {
      state = this.#find(point);
      this.#points.set(key, state);
    }
    return state;
  }

  /** Lets go of the kernel's types, 5 MiB; they are read again when somebody asks. */
  forgetTypes(): void {
    this.#btf = undefined;
  }

  #find(point: HookPoint): PointState {
    switch (point.kind) {
      case "syscall":
        return this.#findSyscall(point.name);
      case "kprobe":
        return this.#findFunction(point.name);
      case "lsm":
        return this.#findLsm(point.name);
      case "tracepoint":
        return this.#findTracepoint(point.subsystem, point.name);
      case "raw_tracepoint": {
        const argCount = this.#types?.tracepointArgCount(point.name);
        if (argCount !== undefined) return { exists: true, returnsError: false, argCount };
        const names = this.#types?.tracepointNames() ?? [];
        return missing(`the kernel has no tracepoint "${point.name}"`, point.name, names);
      }
    }
  }

  /** Only who wants a call to fail needs to know where it begins. */
  #findSyscall(name: string): PointState {
    const functionsOf = () => this.#symbols.functionsOf(name, Deno.build.arch, this.#isTyped);
    let entries: SyscallFunctions | undefined;
    return {
      exists: true,
      returnsError: true,
      get entries() {
        return entries ??= functionsOf();
      },
    };
  }

  #findFunction(name: string): PointState {
    const found = this.#types?.findFunction(name);
    if (found !== undefined) {
      const replacedBy = this.#replacedBy(name);
      return { ...stateOf(found), ...(replacedBy !== undefined && { replacedBy }) };
    }
    const symbols = readText(this.#options.kallsymsPath ?? KALLSYMS_PATH) ?? "";
    if (hasSymbol(symbols, name)) return { exists: true, returnsError: false };
    const names = this.#types?.functionNames() ?? [];
    return missing(`the kernel has no function "${name}"`, name, names);
  }

  /**
   * How what a function returns may be replaced. Only a kernel with a list of such functions is
   * asked about each; functions of system calls may be replaced without one.
   */
  #replacedBy(name: string): ReplaceMeans | undefined {
    // These are known by their names.
    if (name.startsWith(SECURITY)) return undefined;
    const { hasErrorInjection } = this.#symbols;
    if (!hasErrorInjection && !this.#symbols.isSyscallFunction(name)) return undefined;
    const takes = (program: TryProgram) =>
      this.#withCanary((canary) => canary.takes(program, name));
    if (this.modifySyscall.has && takes("on_try_modify").has) return "fmod_ret";
    return this.overrideReturn.has && takes("on_try_override").has ? "override_return" : undefined;
  }

  #findLsm(name: string): PointState {
    const hook = this.#types?.findFunction(LSM + name);
    if (hook === undefined) {
      const names = this.#types?.functionNames() ?? [];
      const hooks = names.filter((other) => other.startsWith(LSM))
        .map((other) => other.slice(LSM.length));
      if (hooks.length === 0) {
        const reason = "the kernel is built without CONFIG_BPF_LSM";
        return { exists: false, reason, hint: `hook the function ${SECURITY}${name} as a kprobe` };
      }
      return missing(`the kernel has no LSM hook "${name}"`, name, hooks);
    }
    // "bprm_check_security" is called by security_bprm_check().
    const securityFunction = [name, name.replace(/_security$/, "")]
      .map((other) => SECURITY + other)
      .find((other) => isSame(this.#types?.findFunction(other), hook));
    return { ...stateOf(hook), ...(securityFunction !== undefined && { securityFunction }) };
  }

  #findTracepoint(subsystem: string, name: string): PointState {
    const fields = this.#tracefs.fields(subsystem, name);
    if (fields !== undefined) {
      return { exists: true, returnsError: false, argCount: fields.length };
    }
    // Without tracefs nothing is known, and why it cannot be hooked is told elsewhere.
    if (this.#tracefs.root === undefined) return { exists: true, returnsError: false };
    const names = this.#tracefs.names(subsystem);
    if (names.length > 0) {
      return missing(`the kernel has no tracepoint "${subsystem}/${name}"`, name, names);
    }
    const subsystems = this.#tracefs.subsystems();
    return missing(`the kernel has no tracepoints of "${subsystem}"`, subsystem, subsystems);
  }

  readonly #isTyped = (name: string) => {
    let isTyped = this.#typed.get(name);
    if (isTyped === undefined) {
      isTyped = this.#types?.findFunction(name) !== undefined;
      this.#typed.set(name, isTyped);
    }
    return isTyped;
  };

  get #symbols(): KernelSymbols {
    this.#kernelSymbols ??= new KernelSymbols(
      readText(this.#options.kallsymsPath ?? KALLSYMS_PATH) ?? "",
    );
    return this.#kernelSymbols;
  }

  get #types(): KernelBtf | undefined {
    if (this.#btf === undefined) {
      try {
        this.#btf = new KernelBtf(Deno.readFileSync(this.#options.btfPath ?? BTF_PATH));
      } catch {
        this.#btf = null;
      }
    }
    return this.#btf ?? undefined;
  }

  #ask(name: string, answer: (canary: Canary) => Ability): Ability {
    let known = this.#known.get(name);
    if (known === undefined) {
      known = this.#withCanary(answer);
      this.#known.set(name, known);
    }
    return known;
  }

  #withCanary(answer: (canary: Canary) => Ability): Ability {
    const { libbpf, payload, canaryDirectory } = this.#options;
    const options: CanaryOptions = {
      ...{ libbpf, payload },
      ...(canaryDirectory !== undefined && { directory: canaryDirectory }),
    };
    try {
      using canary = new Canary(options);
      return answer(canary);
    } catch (error) {
      return no(`it cannot be tried: ${error instanceof Error ? error.message : error}`);
    }
  }
}

function stateOf({ parameters, returnsNumber }: KernelFunction): PointState & { exists: true } {
  return { exists: true, returnsError: returnsNumber, argCount: parameters.length };
}

/** Whether a function has the parameters and the kind of result of another. */
function isSame(found: KernelFunction | undefined, other: KernelFunction): boolean {
  return found !== undefined && found.returnsNumber === other.returnsNumber &&
    found.parameters.join() === other.parameters.join();
}

/** A line of kallsyms: address, letter, name, and perhaps a module. */
function hasSymbol(symbols: string, name: string): boolean {
  return [`t ${name}\n`, `T ${name}\n`, `t ${name}\t`, `T ${name}\t`, `W ${name}\n`]
    .some((text) => symbols.includes(` ${text}`));
}

function missing(reason: string, name: string, known: readonly string[]): PointState {
  const names = nearestNames(name, known);
  const hint = names.length === 0
    ? "look for it in /proc/kallsyms or below /sys/kernel/tracing/events of such a kernel"
    : `did you mean ${names.join(", ")}?`;
  return { exists: false, reason, hint };
}

/** Names that differ least, nearest first. */
export function nearestNames(name: string, known: readonly string[]): string[] {
  // A kernel has 60,000 functions; a misspelt name still begins or ends as it should.
  const [head, tail] = [name.slice(0, SAME_LETTERS), name.slice(-SAME_LETTERS)];
  const left = new Set(
    known.filter((other) =>
      Math.abs(other.length - name.length) <= LENGTH_DIFFERENCE_MAX &&
      (other.startsWith(head) || other.endsWith(tail))
    ),
  );
  const names: string[] = [];
  while (names.length < NEAREST_MAX) {
    const nearest = nearestWord(name, left);
    if (nearest === undefined) break;
    names.push(nearest);
    left.delete(nearest);
  }
  return names;
}

function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

function no(reason: string): Ability {
  return { has: false, reason };
}

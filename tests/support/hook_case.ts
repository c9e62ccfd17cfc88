/**
 * Tests of hooks that not every kernel has.
 *
 * @module
 */
import { openLibbpf } from "../../ffi/mod.ts";
import { ProbedAbilities } from "../../src/enforcement/mod.ts";
import { openPayload } from "../../src/loader/mod.ts";
import type { Ability, KernelAbilities } from "../../src/policy/mod.ts";
import { PolicyKernelBench } from "./policy_kernel_bench.ts";
import { IS_GUEST, kernelTest, skipLine } from "./require_kernel.ts";

/** What a kernel must be able to do. */
export type HookAbility =
  | "kprobe"
  | "kprobeMulti"
  | "tracepoint"
  | "lsm"
  | "modifyReturn"
  | "modifySyscall"
  | "modifyCompat"
  | "overrideReturn";

/** Kernels of Debian, which the guests have, can all of these; which LSMs are active differs. */
const CERTAIN_IN_GUESTS: readonly HookAbility[] = ["kprobe", "tracepoint", "modifyReturn"];

/** To try these, calls are made to fail. */
const TRIED_BY_FAILING: readonly HookAbility[] = [
  ...["lsm", "modifyReturn", "modifySyscall", "modifyCompat", "overrideReturn"] as const,
];

/** A test with policies in the kernel. */
export interface HookTest {
  readonly name: string;
  readonly needs: readonly HookAbility[];
  /** It makes calls fail or kills: only in guests. */
  readonly enforces?: true;
  run(bench: PolicyKernelBench): Promise<void>;
}

/**
 * What this kernel can do, asked once for all tests of a process. Call it outside of tests: the
 * library stays open.
 */
export function openAbilities(): KernelAbilities {
  if (opened === undefined) {
    const payload = openPayload();
    opened = new ProbedAbilities({ libbpf: openLibbpf(payload.libbpfPath()), payload });
  }
  return opened;
}

let opened: KernelAbilities | undefined;

/**
 * The same kernel, as if it could not do some things. What it can is all tried at once: in guests
 * only.
 */
export function lackingAbilities(
  abilities: KernelAbilities,
  ...names: readonly HookAbility[]
): KernelAbilities {
  const rest = (name: HookAbility): Ability =>
    names.includes(name) ? { has: false, reason: "a test has taken it away" } : abilities[name];
  return {
    ...{ kprobe: rest("kprobe"), kprobeMulti: rest("kprobeMulti") },
    ...{ tracepoint: rest("tracepoint"), lsm: rest("lsm"), modifyReturn: rest("modifyReturn") },
    ...{ modifySyscall: rest("modifySyscall"), modifyCompat: rest("modifyCompat") },
    overrideReturn: rest("overrideReturn"),
    accepts: (means, target) => abilities.accepts(means, target),
    findPoint: (point) => {
      const state = abilities.findPoint(point);
      return state.exists && state.replacedBy === "fmod_ret" && names.includes("modifySyscall")
        ? { ...state, replacedBy: "override_return" }
        : state;
    },
  };
}

/**
 * Registers a test that gets a bench. It is left out, with a line that says why, where the kernel
 * cannot do what it needs; in a guest that fails instead where all guests can.
 */
export function hookTest(
  abilities: KernelAbilities,
  { name, needs, enforces, run }: HookTest,
): void {
  kernelTest({
    name,
    async run() {
      if (enforces && !IS_GUEST) return skipLine(name, "it enforces, and this is no guest");
      const lacking = needs.flatMap((ability) => reasonOf(ability, abilities));
      if (lacking.length > 0) return skipLine(name, lacking.join("; "));
      await using bench = await PolicyKernelBench.shared({ abilities });
      await run(bench);
    },
  });
}

function reasonOf(name: HookAbility, abilities: KernelAbilities): string[] {
  if (!IS_GUEST && TRIED_BY_FAILING.includes(name)) return [`${name}: no guest`];
  const ability: Ability = abilities[name];
  if (ability.has) return [];
  if (IS_GUEST && CERTAIN_IN_GUESTS.includes(name)) throw new Error(`${name}: ${ability.reason}`);
  return [`${name}: ${ability.reason}`];
}

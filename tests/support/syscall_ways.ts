/**
 * System calls by each of their numbers, to see whether any is a way around a policy.
 *
 * @module
 */
import { knownSyscalls, type Policy, syscallNumber, syscallPlaces } from "../../src/policy/mod.ts";
import { argumentIs, makePolicy, numbers } from "./policy_factory.ts";
import { SeededRandom } from "./seeded_random.ts";
import type { CallArgument, SystemCaller } from "./system_caller.ts";

/** The first argument of the calls that are to fail; no other call has it. */
const MAGIC = 0x5ca1_ab1e;
/** EBADFD: no call of the kernel fails so here by itself. */
const ERRNO = 77;
const ENOSYS = 38;
/** Policies at a time; each is a hook. */
const BATCH_SIZE = 40;
/** Under emulation a hook of a system call takes a second. */
const SAMPLE_SIZE = 20;
const X32_BIT = 0x4000_0000;
const FIRST_X32 = 512;
const SOCKETCALL = 102;

/** Names of all system calls of this machine. */
export function knownSyscallNames(): string[] {
  return knownSyscalls().map((name) => name.replace("sys_", ""))
    .filter((name) => syscallNumber(name, Deno.build.arch) !== undefined);
}

/** A policy per call, by which it fails when its first argument is MAGIC. */
export function makeSyscallPolicies(names: readonly string[]): Policy[] {
  return names.map((name) =>
    makePolicy(name, {
      ...{ call: name, mode: "enforce", types: ["uint32"] },
      selectors: [{
        conditions: [argumentIs(0, numbers(MAGIC))],
        actions: [{ kind: "override", errno: ERRNO }, { kind: "no_post" }],
      }],
    })
  );
}

/** Tries all with SHRIKE_ALL_SYSCALLS=1, else some, chosen at random. */
export class SyscallWays {
  tried = 0;
  /** Of those, calls that this kernel does not have (x32 that is switched off): nothing to fail. */
  absent = 0;
  readonly #names: readonly string[];
  readonly #withCompat: boolean;

  /**
   * @param canFail whether the kernel lets the call of this name fail; asked of all that are tried
   * @param withCompat whether calls of the 32-bit table must fail too
   */
  constructor(canFail: (name: string) => boolean, withCompat: boolean) {
    this.#withCompat = withCompat;
    const names = knownSyscallNames();
    const isAll = Deno.env.get("SHRIKE_ALL_SYSCALLS") === "1";
    this.#names = (isAll ? names : sample(names, SAMPLE_SIZE)).filter(canFail);
  }

  *batches(): Iterable<string[]> {
    for (let i = 0; i < this.#names.length; i += BATCH_SIZE) {
      yield this.#names.slice(i, i + BATCH_SIZE);
    }
  }

  /** Makes the call in all ways; gives those in which it did not fail as it was to. */
  async slippedBy(caller: SystemCaller, name: string): Promise<string[]> {
    const { native, compat, socketcalls } = syscallPlaces(name, Deno.build.arch);
    const ways: { text: string; args: CallArgument[]; number: number; isCompat: boolean }[] = [
      ...native.map((number) => ({
        ...{ text: `native ${number}`, args: [MAGIC], isCompat: false },
        number: number >= FIRST_X32 && Deno.build.arch === "x86_64" && isX32(number, name)
          ? number | X32_BIT
          : number,
      })),
      ...compat.map((number) => ({
        ...{ text: `32-bit ${number}`, args: [MAGIC], number, isCompat: true },
      })),
      ...socketcalls.map((call) => ({
        ...{ text: `socketcall ${call}`, args: [call, [MAGIC, 0, 0, 0, 0, 0]] },
        ...{ number: SOCKETCALL, isCompat: true },
      })),
    ];
    const slipped: string[] = [];
    for (const { text, args, number, isCompat } of ways) {
      if (isCompat && !this.#withCompat) continue;
      const value = await caller.call(name, args, { number, isCompat });
      this.tried += 1;
      // A call that this kernel does not have does nothing.
      if (value === BigInt(-ENOSYS)) this.absent += 1;
      if (value === BigInt(-ERRNO) || value === BigInt(-ENOSYS)) continue;
      slipped.push(`${text}: ${value}`);
    }
    return slipped;
  }
}

/** Numbers of x32 stand among the native ones. */
function isX32(number: number, name: string): boolean {
  return number !== syscallNumber(name, "x86_64");
}

function sample(names: readonly string[], count: number): string[] {
  const random = SeededRandom.fromEnvironment("ways into system calls");
  const left = [...names];
  const chosen: string[] = [];
  while (chosen.length < count && left.length > 0) {
    chosen.push(...left.splice(random.below(left.length), 1));
  }
  return chosen;
}

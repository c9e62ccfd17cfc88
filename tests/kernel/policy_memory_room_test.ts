/**
 * How many calls can wait for memory that is not there when they begin, whose share of that is used
 * up, and who acts on a call that cannot be decided.
 */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import type { Action, Policy } from "../../src/policy/mod.ts";
import { PolicyCount } from "../../src/wire/mod.ts";
import { argumentIs, makePolicy, texts } from "../support/policy_factory.ts";
import { opens, pathIs, untouched } from "../support/hidden_path.ts";
import { PolicyKernelBench } from "../support/policy_kernel_bench.ts";
import { kernelTest } from "../support/require_kernel.ts";
import { CallerEnded, type SystemCaller } from "../support/system_caller.ts";

const AT_FDCWD = -100;
const SIGKILL: Action = { kind: "sigkill" };
const SECRET = "/none/secret";
const { POLICY_COUNT_DEFERRED, POLICY_COUNT_DEFERRALS_FULL, POLICY_COUNT_SHARE_FULL } = PolicyCount;

/** Processes that wait in open(2) of a pipe nobody writes to. */
class Waiting implements AsyncDisposable {
  readonly callers: SystemCaller[] = [];
  readonly #bench: PolicyKernelBench;
  readonly #directory = Deno.makeTempDirSync();
  readonly #opened: Promise<unknown>[] = [];

  private constructor(bench: PolicyKernelBench) {
    this.#bench = bench;
  }

  static async with(bench: PolicyKernelBench): Promise<Waiting> {
    const waiting = new Waiting(bench);
    await using maker = await bench.caller();
    strictEqual(await maker.call("mknodat", [AT_FDCWD, waiting.#fifo, 0o10666, 0]), 0n);
    return waiting;
  }

  /** One more waits, or finds no room. */
  async add(): Promise<void> {
    const bench = this.#bench;
    const [deferred, full] = this.#counts();
    const caller = await bench.caller();
    this.callers.push(caller);
    this.#opened.push(caller.call("openat", [AT_FDCWD, untouched(this.#fifo), 0]).catch(() => {}));
    await bench.waitFor(() => {
      const [nowDeferred, nowFull] = this.#counts();
      return nowDeferred! > deferred! || nowFull! > full!;
    });
  }

  async untilFull(most: number): Promise<void> {
    const isFull = () => this.#bench.count(POLICY_COUNT_DEFERRALS_FULL) > 0;
    while (!isFull() && this.callers.length < most) await this.add();
    strictEqual(isFull(), true);
  }

  /** Ends the first in its call. */
  async kill(): Promise<void> {
    const first = this.callers.shift()!;
    Deno.kill(first.pid, "SIGKILL");
    await first.end();
  }

  #counts(): number[] {
    return [POLICY_COUNT_DEFERRED, POLICY_COUNT_DEFERRALS_FULL].map((row) =>
      this.#bench.count(row)
    );
  }

  get #fifo(): string {
    return `${this.#directory}/fifo`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { pid } of this.callers) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch { /* a policy was faster */ }
    }
    await Promise.all(this.#opened);
    for (const caller of this.callers) await caller.end();
    Deno.removeSync(this.#directory, { recursive: true });
  }
}

/** Kills for the secret path, in this mode and with this choice. */
function guard(name: string, parts: Partial<Policy> = {}): Policy {
  return { ...opens(name, { ...pathIs(texts("text", SECRET)), actions: [SIGKILL] }), ...parts };
}

async function isKilled(caller: SystemCaller): Promise<boolean> {
  return await caller.call("openat", [AT_FDCWD, untouched(SECRET), 0]).then(
    () => false,
    (error) => error instanceof CallerEnded && error.status.signal === "SIGKILL",
  );
}

kernelTest({
  name: "calls that find no room to wait for their memory are decided without it, and counted",
  async run() {
    await using bench = new PolicyKernelBench({ mapEntries: { policy_deferrals: 1 } });
    await bench.add(
      opens("equal", pathIs(texts("text", "/none/fifo"))),
      opens("not-equal", pathIs(texts("text", "/none/fifo"), true)),
      guard("watches", { mode: "monitor" }),
      guard("passes", { undecided: "pass" }),
    );
    await using waiting = await Waiting.with(bench);
    await waiting.untilFull(64);
    // It is counted before it is told.
    await bench.until(() => true);
    const hits = bench.take();
    deepStrictEqual(bench.actsOf(hits).map(({ policy }) => policy), ["not-equal"]);
    deepStrictEqual(hits.map(({ isDeferred, undecided }) => [isDeferred, undecided]), [
      [false, undefined],
    ]);
    await using caller = await bench.caller();
    strictEqual(await isKilled(caller), false);
  },
});

kernelTest({
  name: "a policy that enforces acts on a call that finds no room, and says why",
  async run() {
    await using bench = new PolicyKernelBench({ mapEntries: { policy_deferrals: 1 } });
    const step = pathIs(texts("text", "/none/other"), true);
    await bench.add(
      opens("first", step, { ...pathIs(texts("text", SECRET)), actions: [SIGKILL] }),
      opens("second", { ...pathIs(texts("text", SECRET)), actions: [SIGKILL] }),
      opens("third", step),
    );
    await using waiting = await Waiting.with(bench);
    await waiting.untilFull(64);
    await bench.until(() => true);
    bench.take();
    await using caller = await bench.caller();
    strictEqual(await isKilled(caller), true);
    const hits = bench.take().filter(({ tgid }) => tgid === caller.pid);
    deepStrictEqual(hits.map(({ undecided, effect }) => [undecided, effect?.isEnforced]), [
      ["no_room", true],
    ]);
    // Not the selector that would let it pass, if the memory were none that anybody lists.
    const acts = bench.actsOf(hits).map(({ policy, selector }) => `${policy} ${selector}`);
    deepStrictEqual(acts.sort(), ["first 1", "second 0", "third 0"]);
    ok(bench.count(PolicyCount.POLICY_COUNT_CLOSED) > 0);
  },
});

kernelTest({
  name: "a workload cannot use up the room of others, and what dies in its call gives it back",
  async run() {
    await using bench = new PolicyKernelBench({ shares: { policy_share_workload: 2 } });
    await bench.add(guard("guards", { undecided: "pass" }));
    await using waiting = await Waiting.with(bench);
    await waiting.add();
    await waiting.add();
    strictEqual(bench.count(POLICY_COUNT_SHARE_FULL), 0);
    await waiting.add();
    strictEqual(bench.count(POLICY_COUNT_SHARE_FULL), 1);
    await waiting.kill();
    await using caller = await bench.caller();
    strictEqual(await isKilled(caller), true, "it is decided by its memory again");
    deepStrictEqual(bench.take().map(({ undecided, isDeferred }) => [undecided, isDeferred]), [
      [undefined, true],
    ]);
  },
});

kernelTest({
  name: "a process has its share of the room, whatever its threads do",
  async run() {
    await using bench = new PolicyKernelBench({ shares: { policy_share_process: 0 } });
    await bench.add(guard("guards"));
    await using caller = await bench.caller();
    await rejects(caller.call("openat", [AT_FDCWD, untouched("/none/any"), 0]), CallerEnded);
    deepStrictEqual(bench.take().map(({ undecided }) => undecided), ["no_room"]);
    strictEqual(bench.count(POLICY_COUNT_SHARE_FULL), 1);
  },
});

kernelTest({
  name: "a policy that enforces acts when memory is gone at the end of a call that did something",
  async run() {
    await using bench = new PolicyKernelBench();
    // The kernel never reads it, as if another thread had taken the page away behind the reading.
    const unread = (name: string, parts: Partial<Policy>) => ({
      ...makePolicy(name, {
        ...{ call: "getppid", types: ["string"], mode: "enforce" },
        selectors: [{ ...pathIs0(SECRET), actions: [SIGKILL] }],
      }),
      ...parts,
    });
    await bench.add(
      unread("passes", { undecided: "pass" }),
      unread("watches", { mode: "monitor" }),
    );
    await using caller = await bench.caller();
    await caller.call("getppid", [untouched(SECRET)]);
    deepStrictEqual(bench.take(), []);
    await bench.add(unread("acts", {}));
    await rejects(caller.call("getppid", [untouched(SECRET)]), CallerEnded);
    const hits = bench.take();
    deepStrictEqual(bench.actsOf(hits).map(({ policy, hit }) => [policy, hit.undecided]), [
      ["acts", "memory_gone"],
    ]);
    strictEqual(bench.count(PolicyCount.POLICY_COUNT_UNSEEN), 2);
  },
});

/** A selector by the text that argument 0 points to. */
function pathIs0(path: string) {
  return { conditions: [argumentIs(0, texts("text", path))] };
}

import assert from "node:assert/strict";
import { samplePolicyEvent } from "../../../tests/support/sample_policy_events.ts";
import { CAPABLE_KERNEL } from "../../../tests/support/sample_kernels.ts";
import { policyHit } from "../../../tests/support/sample_policy_hits.ts";
import type { PolicyEvent, PolicyHit, PolicyValue } from "../../events/mod.ts";
import { Counters } from "../../telemetry/mod.ts";
import type { SelectorOwner } from "../compile/hook_tables.ts";
import { policyOutlook } from "../guarantee.ts";
import type { Action, Condition, Policy, PolicyHook, PolicyMode, Selector } from "../model.ts";
import { PolicyRecord } from "./policy_record.ts";
import { HitEvents } from "./tell_hits.ts";

const PLACE = { file: "p.yaml", line: 1, column: 1 };
const POST: Action = { kind: "post" };
const KILL: readonly Action[] = [POST, { kind: "sigkill" }];
const DENY: readonly Action[] = [POST, { kind: "override", errno: 1 }];
const PATH: PolicyValue = { kind: "number", value: 5n };
const S = 1_000_000_000n;

function selector(fields: Partial<Selector> = {}): Selector {
  const base = { place: PLACE, conditions: [], workloads: [], returnActions: [] };
  return { ...base, actions: [POST], ...fields };
}

function hook(fields: Partial<PolicyHook> = {}): PolicyHook {
  return {
    point: { kind: "syscall", name: "openat" },
    place: PLACE,
    args: [{ index: 1, type: "int32", label: "flags", place: PLACE }],
    selectors: [selector()],
    tags: [],
    ...fields,
  };
}

/** A hook with return value. */
function returning(...selectors: Selector[]): PolicyHook {
  return hook({ selectors, returns: { index: 0, type: "int32", place: PLACE } });
}

/** Policies whose selectors have the bits 0, 1, ... of hook 0, and their events. */
class Bench {
  readonly counters = new Counters();
  readonly records: PolicyRecord[] = [];
  readonly gone = new Set<PolicyRecord>();
  readonly #owners: SelectorOwner[] = [];
  readonly hits = new HitEvents({
    owners: (_hook, _word, bits) => this.#owners.filter((_, bit) => bits & (1n << BigInt(bit))),
    recordOf: (policy) =>
      this.records.find((record) => record.policy === policy && !this.gone.has(record)),
    counters: this.counters,
    architecture: "x86_64",
  });
  contexts = 0;

  constructor(...policies: Partial<Policy>[]) {
    policies.forEach((fields, i) => {
      const policy: Policy = {
        ...{ name: `p${i}`, place: PLACE, mode: "enforce", workloads: [], hooks: [hook()] },
        ...fields,
      };
      const record = new PolicyRecord({
        ...{ key: policy.name, policy, mode: policy.mode, source: "api", text: "" },
        ...{ isPersistent: false, outlook: policyOutlook(policy, CAPABLE_KERNEL) },
      });
      this.records.push(record);
      policy.hooks.forEach(({ selectors }, hookIndex) =>
        selectors.forEach((_, selectorIndex) =>
          this.#owners.push({ policy: record.policy, hookIndex, selectorIndex, argSlots: [0] })
        )
      );
    });
  }

  take(fields: Partial<PolicyHit> & { bits?: bigint } = {}, isLate = false): PolicyEvent[] {
    const { bits = 1n, ...rest } = fields;
    const hit = policyHit({ args: [PATH], words: [{ index: 0, bits }], ...rest });
    return this.hits.take(hit, isLate, (hit, isLate) => {
      this.contexts += 1;
      const { subject } = samplePolicyEvent();
      return { timeNs: hit.timeNs, cpu: hit.cpu, subject, marks: isLate ? ["late"] : [] };
    });
  }

  /** The end of a call. */
  end(fields: Partial<PolicyHit> & { bits?: bigint } = {}): PolicyEvent[] {
    return this.take({ phase: "return", args: [], timeNs: 2_000n, returnValue: -2n, ...fields });
  }

  get hitsOfFirst() {
    return this.records[0]!.hits;
  }
}

function enforced(kind: "signal" | "override", parameter: number, isEnforced = true) {
  return { effect: { kind, parameter, isEnforced } };
}

Deno.test("HitEvents.take() tells one event per policy with what its hook says", () => {
  const bench = new Bench(
    { hooks: [hook({ message: "opened", tags: ["files"] })] },
    { namespace: "prod", hooks: [hook({ selectors: [selector({ label: "deny" })] })] },
  );
  const [first, second, ...more] = bench.take({ bits: 3n, tid: 61, euid: 7 });
  assert.equal(more.length, 0);
  assert.equal(bench.contexts, 1, "who called is looked up once");
  assert.deepEqual(
    [first!.type, first!.functionName, first!.tid, first!.thread.euid],
    ["process_kprobe", "__x64_sys_openat", 61, 7],
  );
  assert.deepEqual(first!.args, [{ type: "int32", value: PATH, label: "flags" }]);
  assert.deepEqual([first!.message, first!.tags, first!.action], ["opened", ["files"], "POST"]);
  assert.deepEqual(second!.policy, {
    ...{ name: "p1", namespace: "prod", selector: "deny", guarantee: "observe" },
    ...{ mode: "enforce", isEnforced: false },
  });
  assert.deepEqual(bench.hitsOfFirst, { post: 1, signal: 0, override: 0, monitored: 0 });
});

Deno.test("HitEvents.take() names each kind of hook as Tetragon does", () => {
  const points = [
    [{ kind: "syscall", name: "stat" }, "process_kprobe __x64_sys_newstat"],
    [{ kind: "kprobe", name: "tcp_connect" }, "process_kprobe tcp_connect"],
    [{ kind: "lsm", name: "file_open" }, "process_lsm file_open"],
    [{ kind: "tracepoint", subsystem: "sched", name: "x" }, "process_tracepoint sched x"],
    [{ kind: "raw_tracepoint", name: "sys_enter" }, "process_tracepoint sys_enter"],
  ] as const;
  for (const [point, expected] of points) {
    const [event] = new Bench({ hooks: [hook({ point })] }).take();
    const { type, subsystem, functionName } = event!;
    assert.equal([type, subsystem, functionName].filter(Boolean).join(" "), expected);
  }
});

Deno.test("HitEvents.take() tells and counts what was done, and what mode monitor left undone", () => {
  const run = (actions: readonly Action[], mode: PolicyMode, effect: Partial<PolicyHit>) => {
    const bench = new Bench({ mode, hooks: [hook({ selectors: [selector({ actions })] })] });
    const [event] = bench.take(effect);
    return [event!.action, event!.policy.isEnforced, { ...bench.hitsOfFirst }];
  };
  const none = { post: 1, signal: 0, override: 0, monitored: 0 };
  assert.deepEqual(run(KILL, "enforce", enforced("signal", 9)), [
    ...["SIGKILL", true],
    { ...none, signal: 1 },
  ]);
  assert.deepEqual(run(DENY, "enforce", enforced("override", 1)), [
    ...["OVERRIDE", true],
    { ...none, override: 1 },
  ]);
  assert.deepEqual(run(DENY, "monitor", enforced("override", 1, false)), [
    ...["OVERRIDE", false],
    { ...none, monitored: 1 },
  ]);
  const stop: readonly Action[] = [POST, { kind: "signal", signal: 19 }];
  assert.deepEqual(run(stop, "enforce", enforced("signal", 19))[0], "SIGNAL");
});

Deno.test("HitEvents.take() gives each policy its own deed where one record tells for several", () => {
  const denies = { hooks: [hook({ selectors: [selector({ actions: DENY })] })] };
  const kills = { hooks: [hook({ selectors: [selector({ actions: KILL })] })] };
  const bench = new Bench(denies, { ...kills, mode: "monitor" }, kills, {});
  const events = bench.take({ bits: 15n, ...enforced("override", 1) });
  assert.deepEqual(events.map(({ policy }) => policy.isEnforced), [true, false, true, false]);
});

Deno.test("HitEvents.take() tells the mode that a policy had when it matched", () => {
  const bench = new Bench({ hooks: [hook({ selectors: [selector({ actions: KILL })] })] });
  bench.records[0]!.setMode("monitor", 5_000n);
  const [before] = bench.take({ timeNs: 4_999n, ...enforced("signal", 9) });
  const [after] = bench.take({ timeNs: 5_000n, ...enforced("signal", 9, false) });
  assert.deepEqual([before!.policy.mode, before!.policy.isEnforced], ["enforce", true]);
  assert.deepEqual([after!.policy.mode, after!.policy.isEnforced], ["monitor", false]);
  for (let i = 0n; i < 20n; i++) bench.records[0]!.setMode("enforce", 6_000n + i);
  assert.equal(bench.records[0]!.modeAt(1n), "enforce", "what is forgotten is like the oldest");
});

Deno.test("HitEvents.take() only counts what nobody wants to be told", () => {
  const quiet: readonly Action[] = [{ kind: "no_post" }, { kind: "sigkill" }];
  const bench = new Bench({ hooks: [hook({ selectors: [selector({ actions: quiet })] })] });
  assert.deepEqual(bench.take({ isSilent: true, ...enforced("signal", 9) }), []);
  assert.deepEqual(bench.hitsOfFirst, { post: 0, signal: 1, override: 0, monitored: 0 });
  assert.equal(bench.counters.total("shrike_policy_hits_silent_total"), 1);
  assert.equal(bench.contexts, 0);
});

Deno.test("HitEvents.take() counts bits whose policy is gone", () => {
  const bench = new Bench({}, {});
  bench.gone.add(bench.records[1]!);
  const events = bench.take({ bits: 0b111n });
  assert.deepEqual(events.map(({ policy }) => policy.name), ["p0"]);
  assert.equal(bench.counters.total("shrike_policy_hits_gone_total"), 2);
});

Deno.test("HitEvents.take() joins a call with its end, thread by thread", () => {
  const bench = new Bench({ hooks: [returning(selector())] });
  assert.deepEqual(bench.take({ tid: 61, expectsReturn: true, timeNs: 1_000n }), []);
  assert.deepEqual(bench.take({ tid: 62, expectsReturn: true, timeNs: 1_001n }), []);
  const [event, ...more] = bench.end({ tid: 62 });
  assert.equal(more.length, 0);
  assert.equal(event!.tid, 62);
  assert.deepEqual(event!.args.length, 1, "the end brought no arguments");
  assert.deepEqual(event!.returns, { type: "int32", value: { kind: "number", value: -2n } });
  assert.equal(event!.timeNs, 2_000n, "the stream stays in order");
  assert.equal(bench.end({ tid: 61, timeNs: 3_000n })[0]!.tid, 61);
  assert.equal(bench.hitsOfFirst.post, 2, "a call counts once");
  assert.equal(bench.counters.total("shrike_policy_returns_missed_total"), 0);
});

Deno.test("HitEvents.take() keeps apart what of a call was decided at its end", () => {
  const bench = new Bench(
    { hooks: [returning(selector())] },
    { hooks: [returning(selector())] },
  );
  const names = (events: readonly PolicyEvent[]) => events.map(({ policy }) => policy.name);
  // exec: its memory is decided upon before the end of the call is told.
  assert.deepEqual(bench.take({ bits: 1n, expectsReturn: true }), []);
  assert.deepEqual(bench.take({ bits: 2n, expectsReturn: true, isDeferred: true }), []);
  assert.deepEqual(names(bench.end({ bits: 1n })), ["p0"]);
  assert.deepEqual(names(bench.end({ bits: 2n, isDeferred: true })), ["p1"]);
  assert.equal(bench.counters.total("shrike_policy_returns_missed_total"), 0);
});

Deno.test("HitEvents.take() tells policies that want no return value at the call", () => {
  const bench = new Bench({}, { hooks: [returning(selector())] });
  const told = bench.take({ bits: 3n, expectsReturn: true });
  assert.deepEqual(told.map(({ policy }) => policy.name), ["p0"]);
  assert.deepEqual(bench.end({ bits: 2n }).map(({ policy }) => policy.name), ["p1"]);
});

Deno.test("HitEvents.take() does what a selector asks for at the end", () => {
  const returnActions = KILL;
  const bench = new Bench({ hooks: [returning(selector({ returnActions }))] });
  bench.take({ expectsReturn: true });
  const [event] = bench.end(enforced("signal", 9));
  assert.deepEqual([event!.action, event!.returnAction], ["POST", "SIGKILL"]);
  assert.equal(event!.policy.isEnforced, true);
  assert.deepEqual(bench.hitsOfFirst, { post: 1, signal: 1, override: 0, monitored: 0 });
});

Deno.test("HitEvents.take() has a policy that looks at the return value decide at the end", () => {
  const condition: Condition = {
    subject: { of: "return" },
    test: { kind: "number", values: [0n] },
    ...{ isNegated: false, place: PLACE },
  };
  const bench = new Bench({
    hooks: [returning(selector({ conditions: [condition], actions: KILL }))],
  });
  // The record of the call has its arguments, and no selector yet.
  assert.deepEqual(bench.take({ expectsReturn: true, bits: 0n, args: [PATH] }), []);
  const [event] = bench.end(enforced("signal", 9));
  assert.deepEqual([event!.action, event!.returnAction], ["SIGKILL", undefined]);
  assert.equal(event!.args.length, 1);
  assert.deepEqual(bench.hitsOfFirst, { post: 1, signal: 1, override: 0, monitored: 0 });
});

Deno.test("HitEvents tells a call without its end when that takes too long, then the end alone", () => {
  const bench = new Bench({ hooks: [returning(selector())] });
  bench.take({ expectsReturn: true, timeNs: S });
  assert.deepEqual(bench.hits.expire(2n * S), []);
  const [event] = bench.hits.expire(3n * S);
  assert.deepEqual([event!.timeNs, event!.marks, event!.returns], [S, ["late"], undefined]);
  assert.equal(bench.counters.total("shrike_policy_returns_missed_total"), 1);
  const [end] = bench.end({ timeNs: 9n * S });
  assert.equal(end!.timeNs, 9n * S);
  assert.notEqual(end!.returns, undefined);
});

Deno.test("HitEvents.take() tells a call of a thread that begins another one on the same hook", () => {
  const bench = new Bench({ hooks: [returning(selector())] });
  bench.take({ expectsReturn: true, timeNs: 1n });
  const [lost] = bench.take({ expectsReturn: true, timeNs: 5n });
  assert.deepEqual([lost!.timeNs, lost!.marks], [1n, ["late"]]);
  assert.equal(bench.end({ timeNs: 6n })[0]!.timeNs, 6n);
});

Deno.test("HitEvents bounds the calls that wait, and gives them up at the end", () => {
  const bench = new Bench({ hooks: [returning(selector())] });
  let told = 0;
  for (let tid = 1; tid <= 5_000; tid++) {
    told += bench.take({ tid, expectsReturn: true }).length;
  }
  assert.equal(told, 5_000 - 4_096);
  assert.equal(bench.hits.giveUp().length, 4_096);
  assert.deepEqual(bench.hits.giveUp(), []);
  assert.equal(bench.counters.total("shrike_policy_calls_under_way"), 0);
});

import assert from "node:assert/strict";
import { PolicyBench } from "../../../tests/support/policy_bench.ts";
import {
  argument,
  condition,
  hook,
  onArgument,
  openCall,
  pathPolicy,
  policy,
  processOf,
  selector,
  texts,
} from "../../../tests/support/sample_policies.ts";
import { MemoryTables } from "../evaluate/memory_tables.ts";
import { finish, runCall, runEnd } from "../evaluate/simulate_call.ts";
import type { Policy, Selector } from "../model.ts";
import { PolicyRefusal } from "./policy_refusal.ts";

const STRING = [argument(1, "string")];

/** What is in the tables, without what only tests look at. */
function contents({ rows, entries, hooks, slots, masks, effects }: MemoryTables): string {
  return Deno.inspect({ rows, entries, hooks, slots, masks, effects }, {
    ...{ depth: 9, sorted: true, iterableLimit: 1e6 },
  });
}

async function refusalOf(adding: Promise<void>): Promise<PolicyRefusal> {
  try {
    await adding;
  } catch (error) {
    if (error instanceof PolicyRefusal) return error;
    throw error;
  }
  return assert.fail("it was added");
}

function withReturn(name: string, rest: Partial<Selector> = {}): Policy {
  const returned = condition({ of: "return" }, { kind: "number", values: [5n] });
  const selectors = [
    selector([onArgument(0, texts("prefix", "/etc/")), returned], undefined, rest),
  ];
  const returns = argument(0, "int32");
  return policy(name, [hook(STRING, selectors, { returns })]);
}

Deno.test("PolicyTables.add() refuses what a bound forbids and leaves no store", async () => {
  const full = new PolicyBench({ rowsMax: 2049 + 35, slotsMax: 1 });
  await full.tables.add(pathPolicy("first", "/a", "/b"));
  const before = contents(full.memory);
  const stores = full.memory.storeCount;
  const never = () => selector([]);
  const point = (name: string) => ({ point: { kind: "kprobe" as const, name } });
  const position = { of: "argument", position: 0, part: "value" } as const;
  const numbers = (count: number) =>
    Array.from(
      { length: count },
      () => condition({ of: "capabilities", set: "effective" }, { kind: "bits", mask: 1n }),
    );
  const bits = numbers(16).map((one, i) => ({
    ...one,
    test: { kind: "bits" as const, mask: 3n << BigInt(3 * i) },
  }));
  const refused: [Policy, RegExp][] = [
    [pathPolicy("first", "/c"), /there is a policy of this name/],
    [
      pathPolicy("rows", ...Array.from({ length: 34 }, (_, i) => `/c/${i}`)),
      /table of values is full/,
    ],
    [pathPolicy("long", "x".repeat(4096)), /4096 bytes is longer/],
    [policy("slots", [hook([], [never()], point("other"))]), /needs 1 slots .* 0 are free/],
    [policy("bits", [hook([], Array(64).fill(never()))]), /need 65 bits, 64 fit/],
    [
      policy("arguments", [
        hook([0, 2, 3, 4, 5].map((index) => argument(index, "int32")), [never()]),
      ]),
      /5 other arguments/,
    ],
    [policy("dimensions", [hook([], [selector(bits)])]), /15 other ways/],
    [
      policy("effects", [
        hook([], [
          selector([], Array.from({ length: 9 }, (_, i) => ({ kind: "signal", signal: i + 1 }))),
        ]),
      ]),
      /8 other signals/,
    ],
    [
      policy("nothing", [
        hook([argument(0, "nop")], [selector([condition(position, texts("text", "/"))])]),
      ]),
      /argument 0, which has no value/,
    ],
    [withReturn("late", { actions: [{ kind: "override", errno: 1 }] }), /after the call has ended/],
  ];
  for (const [one, reason] of refused) {
    const refusal = await refusalOf(full.tables.add(one));
    assert.match(refusal.reason, reason);
    assert.equal(refusal.policy, one.name);
    assert.ok(refusal.hint.length > 0);
    assert.equal(contents(full.memory), before, one.name);
    assert.equal(full.memory.storeCount, stores, one.name);
    assert.deepEqual(full.tables.usage(), { rows: 2, slots: 1, restingBits: 0 }, one.name);
  }
  assert.deepEqual(full.tables.policies().map(({ name }) => name), ["first"]);
});

Deno.test("PolicyTables.add() refuses the 128th hook and the 1,025th bit of one", async () => {
  const bench = new PolicyBench({ slotsMax: 300 });
  const on = (name: string, i: number) =>
    policy(`${name}-${i}`, [hook([], [selector([])], { point: { kind: "kprobe", name } })]);
  for (let i = 0; i < 127; i++) await bench.tables.add(on(`hook-${i}`, i));
  assert.match((await refusalOf(bench.tables.add(on("more", 0)))).reason, /127 hooks are in use/);
  for (let i = 1; i < 1024; i++) await bench.tables.add(on("hook-0", i));
  assert.match((await refusalOf(bench.tables.add(on("hook-0", 1024)))).reason, /no 1 bits left/);
  await bench.tables.remove("hook-0-500");
  assert.match((await refusalOf(bench.tables.add(on("hook-0", 1024)))).reason, /no 1 bits left/);
  bench.tables.reclaim(() => true);
  await bench.tables.add(on("hook-0", 1024));
});

Deno.test("PolicyTables.add() refuses two types of what a call returns, and 65 trees", async () => {
  const bench = new PolicyBench();
  await bench.tables.add(withReturn("int"));
  const other = { ...withReturn("long").hooks[0]!, returns: argument(0, "int64") };
  const refusal = await refusalOf(bench.tables.add(policy("long", [other])));
  assert.match(refusal.reason, /returns as another type/);

  const tree = (pid: number, selectors = 1) =>
    policy(`tree-${pid}`, [hook(
      [],
      Array(selectors).fill(selector([
        condition({ of: "pid", isNamespacePid: false, followForks: true }, {
          ...{ kind: "number", values: [BigInt(pid)] },
        }),
      ])),
    )]);
  for (let pid = 0; pid < 64; pid++) await bench.tables.add(tree(pid));
  assert.match((await refusalOf(bench.tables.add(tree(64)))).reason, /64 other trees/);
  await bench.tables.add({ ...tree(7, 2), name: "shares one" });
  await bench.tables.remove("tree-7");
  assert.deepEqual(bench.memory.clearedTrees, []);
  await bench.tables.remove("shares one");
  assert.deepEqual(bench.memory.clearedTrees, [7]);
  await bench.tables.add(tree(64));
});

Deno.test("PolicyTables.change() takes nothing when its programs cannot be attached", async () => {
  const bench = new PolicyBench();
  await bench.tables.add(pathPolicy("stays", "/a"));
  const before = contents(bench.memory);
  const change = bench.tables.change({
    add: [pathPolicy("comes", "/a", "/b"), withReturn("too")],
    remove: ["stays"],
    beforeSeen: () => {
      assert.equal(bench.tables.hooks()[0]?.policyCount, 3);
      return Promise.reject(new Error("no such function"));
    },
  });
  await assert.rejects(change, /no such function/);
  assert.equal(contents(bench.memory), before);
  assert.deepEqual(bench.tables.policies().map(({ name }) => name), ["stays"]);
});

/** The kernel has no memory for the entry after `left` ones. */
class FullTables extends MemoryTables {
  left = Infinity;

  override setEntry(...entry: Parameters<MemoryTables["setEntry"]>): void {
    if (this.left-- <= 0) throw new Error("no memory");
    super.setEntry(...entry);
  }

  override deleteEntry(...entry: Parameters<MemoryTables["deleteEntry"]>): void {
    try {
      super.deleteEntry(...entry);
    } catch {
      // It was never entered.
    }
  }
}

Deno.test("PolicyTables.change() takes back what was stored when the kernel has no memory", async () => {
  const memory = new FullTables();
  const bench = new PolicyBench({}, memory);
  await bench.tables.add(pathPolicy("stays", "/a"));
  const before = contents(memory);
  const tree = condition({ of: "binary", followChildren: true }, texts("prefix", "/bin", "/sbin"));
  const comes = policy("comes", [
    ...pathPolicy("", "/a", "/b").hooks,
    hook(STRING, [selector([tree]), selector([onArgument(0, texts("prefix", "/", "/etc"))])], {
      point: { kind: "kprobe", name: "other" },
    }),
  ]);
  // "/b", a prefix, the tree's bit and its two prefixes.
  for (let left = 0; left < 5; left++) {
    memory.left = left;
    await assert.rejects(bench.tables.add(comes), /no memory/);
    assert.equal(contents(memory), before, `after ${left} entries`);
    assert.deepEqual(bench.tables.usage(), { rows: 1, slots: 1, restingBits: 0 });
    assert.deepEqual(bench.tables.trees(), []);
  }
  memory.left = 5;
  await bench.tables.add(comes);
  assert.deepEqual(bench.found(openCall("/b"), 0).atCall, ["comes/0/0 posts enforce "]);
});

Deno.test("PolicyTables.setMode() and setEnabled() change what is done, in both phases", async () => {
  const bench = new PolicyBench();
  await bench.tables.add(withReturn("late", { actions: [{ kind: "sigkill" }] }));
  await bench.tables.add(pathPolicy("path", "/etc/passwd"));
  const call = openCall("/etc/passwd", { returned: 5n });
  const found = () => bench.found(call, 0);
  assert.deepEqual(found(), {
    atCall: ["path/0/0 posts enforce "],
    atEnd: ["late/0/0 posts enforce signal 9"],
  });
  await bench.tables.setMode("late", "monitor");
  assert.deepEqual(found().atEnd, ["late/0/0 posts tell signal 9"]);
  assert.equal(bench.tables.modeOf("late"), "monitor");
  await bench.tables.setEnabled("late", false);
  await bench.tables.setEnabled("late", false);
  assert.deepEqual(found(), { atCall: ["path/0/0 posts enforce "], atEnd: [] });
  await bench.tables.setMode("late", "enforce");
  await bench.tables.setEnabled("late", true);
  assert.deepEqual(found().atEnd, ["late/0/0 posts enforce signal 9"]);
  await bench.tables.setEnabled("path", false);
  await bench.tables.change({ remove: ["late", "path"] });
  bench.tables.reclaim(() => true);
  assert.ok(bench.memory.isEmpty);
});

Deno.test("PolicyTables give a bit to nobody else while a call or a record may have it", async () => {
  const bench = new PolicyBench();
  await bench.tables.add(withReturn("old"));
  const call = openCall("/etc/passwd", { returned: 5n });
  const context = bench.context(call, 0)!;
  const { saved } = finish(runCall(context, call));
  bench.timeMs = 70;
  await bench.tables.remove("old");
  await bench.tables.add(withReturn("new"));
  assert.deepEqual(finish(runEnd(context, call, saved)), []);
  assert.deepEqual(bench.tables.owners(0, 0, 1n).map((owner) => owner.policy.name), ["old"]);
  assert.deepEqual(bench.tables.owners(0, 0, 3n).map((owner) => owner.policy.name), ["old", "new"]);
  bench.tables.reclaim((resting) => {
    assert.deepEqual(resting, { hook: 0, word: 0, bits: 1n, sinceMs: 70 });
    return false;
  });
  assert.equal(bench.tables.usage().restingBits, 1);
  bench.tables.reclaim(() => true);
  assert.deepEqual(bench.tables.owners(0, 0, 1n), []);
  await bench.tables.add(pathPolicy("third", "/x"));
  assert.deepEqual(bench.tables.owners(0, 0, 1n).map((owner) => owner.policy.name), ["third"]);
});

Deno.test("PolicyTables tell the selector and the argument slots of a bit", async () => {
  const bench = new PolicyBench();
  await bench.tables.add(pathPolicy("path", "/a"));
  const args = [argument(0, "int32"), argument(3, "nop"), argument(1, "string")];
  await bench.tables.add(policy("two", [hook(args, [selector([]), selector([])])]));
  const owners = bench.tables.owners(0, 0, 0b110n);
  assert.deepEqual(
    owners.map((owner) => [owner.policy.name, owner.hookIndex, owner.selectorIndex]),
    [["two", 0, 0], ["two", 0, 1]],
  );
  assert.deepEqual(owners[0]!.argSlots, [1, undefined, 0]);
});

Deno.test("PolicyTables keep trees of different names of a program apart", async () => {
  const bench = new PolicyBench();
  const subject = { of: "binary", followChildren: true } as const;
  const test = texts("text", "sh");
  const make = (name: string, isNegated: boolean) =>
    policy(name, [hook([], [selector([condition(subject, test, isNegated)])])]);
  for (const one of [make("in", false), make("not in", true)]) {
    await bench.tables.add(one);
    bench.policies.set(one.name, one);
  }
  // It was only called "sh": that brings it under the rule, and not out of the other one.
  const call = openCall("/", { process: processOf({ ancestors: [processOf()] }) });
  const both = ["in/0/0 posts enforce ", "not in/0/0 posts enforce "];
  assert.deepEqual(bench.expected(call, 0).atCall, both);
  assert.deepEqual(bench.found(call, 0).atCall, both);
});

Deno.test("PolicyTables.addSet() shows a set what concerns it, removeSet() waits for programs", async () => {
  const rules = new Map([[7, ["a"]], [8, ["a", "b"]]]);
  const bench = new PolicyBench({
    slotsMax: 2,
    concerns: (set, { name }) => rules.get(set)?.includes(name) ?? false,
  });
  await bench.tables.add(pathPolicy("a", "/x"));
  await bench.tables.add(pathPolicy("b", "/x"));
  const seen = (set: number) => bench.found(openCall("/x"), set).atCall;
  assert.deepEqual([seen(7), bench.tables.usage().slots], [[], 0]);
  assert.equal(await bench.tables.addSet(7), true);
  assert.equal(await bench.tables.addSet(8), true);
  assert.deepEqual(seen(7), ["a/0/0 posts enforce "]);
  assert.deepEqual(seen(8), ["a/0/0 posts enforce ", "b/0/0 posts enforce "]);
  rules.set(9, ["b"]);
  assert.equal(await bench.tables.addSet(9), false);
  assert.deepEqual(seen(9), []);

  await bench.tables.removeSet(7);
  assert.deepEqual([seen(7), bench.tables.usage().slots], [[], 1]);
  assert.equal(await bench.tables.addSet(9), true);
  assert.deepEqual(seen(9), ["b/0/0 posts enforce "]);
});

Deno.test("PolicyTables.replace() goes into another slot where one word is not enough", async () => {
  const big = (name: string) => policy(name, [hook([], Array(50).fill(selector([])))]);
  const bench = new PolicyBench();
  await bench.tables.add(big("old"));
  const slot = bench.memory.slotOf(0, 0)!;
  const atSettle: unknown[] = [];
  bench.memory.settle = () => {
    // A program that found the slot before still reads it.
    atSettle.push([slot.count, slot.mask[0] !== 0n, bench.found(openCall("/"), 0).atCall]);
    return Promise.resolve();
  };
  await bench.tables.replace("old", big("new"));
  assert.deepEqual(atSettle[0], [1, true, ["new/0/0 posts enforce "]]);
  assert.deepEqual([slot.count, slot.mask[0]], [0, 0n]);
  assert.equal(bench.tables.usage().slots, 1);
});

Deno.test("PolicyTables give a hook's number to another only when programs of the first have ended", async () => {
  const bench = new PolicyBench({ slotsMax: 200 });
  const on = (name: string) =>
    policy(name, [hook([], [selector([])], { point: { kind: "kprobe", name } })]);
  const comeAndGo = async (name: string) => {
    await bench.tables.add(on(name));
    const id = bench.tables.hookOf({ kind: "kprobe", name });
    await bench.tables.remove(name);
    bench.tables.reclaim(() => true);
    return id;
  };
  const ids = new Set<number | undefined>();
  for (let i = 0; i < 127; i++) ids.add(await comeAndGo(`first-${i}`));
  assert.equal(ids.size, 127);

  const steps: string[] = [];
  bench.memory.settle = () => {
    steps.push(bench.memory.masks.size === 0 ? "settled" : "settled too late");
    return Promise.resolve();
  };
  await bench.tables.change({ add: [on("again")], beforeSeen: () => void steps.push("attached") });
  assert.deepEqual(steps, ["attached", "settled"]);
  await bench.tables.add(pathPolicy("other", "/"));
  assert.deepEqual(steps.length, 3);
  await bench.tables.add({ ...on("again"), name: "same hook" });
  assert.deepEqual(steps.length, 3);
});

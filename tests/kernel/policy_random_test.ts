/** Random policies and real system calls: the kernel says what the specification says. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import {
  type Done,
  evaluatePolicies,
  type Outcome,
} from "../../src/policy/evaluate/evaluate_policies.ts";
import type { CallProcess } from "../../src/policy/evaluate/policy_call.ts";
import { closesOn } from "../../src/policy/compile/place_effects.ts";
import { PolicyRefusal } from "../../src/policy/compile/policy_refusal.ts";
import type { NamespaceName, Policy } from "../../src/policy/mod.ts";
import { PolicyKernelBench } from "../support/policy_kernel_bench.ts";
import { condition, makePolicy, texts } from "../support/policy_factory.ts";
import { type RandomCall, RandomSyscalls } from "../support/random_syscalls.ts";
import { IS_GUEST, kernelTest } from "../support/require_kernel.ts";
import { PolicyCount } from "../../src/wire/mod.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { buildWorkload } from "../support/workload.ts";

const program = await buildWorkload();

/** In a guest less: four of them share the time of the matrix. */
const TEST_MS = IS_GUEST ? 8_000 : 20_000;
const POLICIES = 40;
const CALLS_PER_ROUND = 250;
/** Policies that are replaced from one round to the next. */
const REPLACED = 12;

kernelTest({
  name: "random policies say the same of random calls in the kernel as in the specification",
  async run() {
    const random = SeededRandom.fromEnvironment("policy_random_test");
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    // Names of execs are kept from here on.
    await bench.add(makePolicy("keeps-names", {
      call: "getpid",
      selectors: [{
        conditions: [condition({ of: "binary", followChildren: false }, texts("text", "/none"))],
      }],
    }));
    const link = Deno.makeTempDirSync() + "/given";
    Deno.symlinkSync(program, link);
    await caller.exec(link);
    const source = new RandomSyscalls(random, processOf(caller.pid, link));
    const policies = new Map<string, Policy>();
    const deadline = performance.now() + TEST_MS;
    let [calls, matched] = [0, 0];
    while (performance.now() < deadline) {
      const gone = [...policies.keys()].filter(() => random.chance(REPLACED / POLICIES));
      for (const name of gone) policies.delete(name);
      await bench.remove(...gone);
      while (policies.size < POLICIES) {
        const policy = source.policy();
        try {
          await bench.add(policy);
        } catch (error) {
          // A hook compares in 15 ways at most: this one does not fit now.
          if (!(error instanceof PolicyRefusal)) throw error;
          break;
        }
        policies.set(policy.name, policy);
      }
      for (let i = 0; i < CALLS_PER_ROUND; i++) {
        const call = source.call();
        const { value, hits } = await bench.during(caller, call.name, call.args);
        const outcomes = evaluatePolicies(
          policies.values(),
          { ...call.call, returned: BigInt.asUintN(64, value) },
          () => true,
        );
        checkCall(bench, call, outcomes, hits, policies);
        calls++;
        matched += outcomes.length > 0 ? 1 : 0;
      }
    }
    const deferred = bench.count(PolicyCount.POLICY_COUNT_DEFERRED);
    console.log(`policy_random_test: ${calls} calls, ${matched} matched, ${deferred} at their end`);
    ok(deferred > calls / 50);
    ok(matched > calls / 10 && calls > 100);
    strictEqual(bench.lost, 0);
    Deno.removeSync(link);
  },
});

/** Who acted must have been expected, and whatever is to be seen of it must have been told. */
function checkCall(
  bench: PolicyKernelBench,
  call: RandomCall,
  outcomes: readonly Outcome[],
  hits: ReturnType<PolicyKernelBench["take"]>,
  policies: ReadonlyMap<string, Policy>,
): void {
  const acted = bench.actsOf(hits);
  const acts = acted.map(({ policy, selector, hit }) => `${policy}/${selector} ${hit.phase}`);
  const found = new Set(acts);
  const expected = new Map<string, Done>();
  for (const { policy, selectorIndex, atCall, atEnd } of outcomes) {
    const who = `${policy}/${selectorIndex}`;
    if (atCall !== undefined) expected.set(`${who} call`, atCall);
    if (atEnd !== undefined) expected.set(`${who} return`, atEnd);
  }
  const what = JSON.stringify(call, (_, value) => typeof value === "bigint" ? `${value}` : value);
  strictEqual(found.size, acts.length, `told twice: ${what}`);
  // Memory that the kernel has not read either: who enforces acts, whatever would stand there.
  const isUndecided = call.call.args.some((value) => value === undefined);
  const closed = new Set(
    !isUndecided ? [] : acted
      .filter(({ policy, selector }) => actsUndecided(policies.get(policy)!, selector))
      .map(({ policy, selector }) => `${policy}/${selector}`),
  );
  const whoOf = (act: string) => act.slice(0, act.indexOf(" "));
  const unexpected = [...found].filter((act) => !expected.has(act) && !closed.has(whoOf(act)));
  deepStrictEqual(unexpected, [], `not expected: ${what}`);
  const shown = [...expected].filter(([, done]) => done.posts || done.effects.length > 0)
    .map(([act]) => act);
  // One that acts so, told or not, stands before the selectors of its policy that come after it.
  const isCut = (act: string) => {
    const policy = policies.get(act.slice(0, act.indexOf("/")))!;
    return isUndecided && policy.hooks[0]!.selectors.some((_, i) => actsUndecided(policy, i));
  };
  const missing = shown.filter((act) => !found.has(act) && !isCut(act));
  deepStrictEqual(missing, [], `missing: ${what}`);
  for (const hit of hits) {
    const owners = bench.actsOf([hit]);
    if (owners.some(({ policy, selector }) => closed.has(`${policy}/${selector}`))) continue;
    const dones = owners.map(({ policy, selector }) =>
      expected.get(`${policy}/${selector} ${hit.phase}`)!
    );
    const asked = dones.filter(({ effects }) => effects.length > 0);
    strictEqual(hit.effect !== undefined, asked.length > 0, `effect: ${what}`);
    if (hit.effect === undefined) continue;
    const enforced = asked.filter(({ isEnforced }) => isEnforced);
    strictEqual(hit.effect.isEnforced, enforced.length > 0, `enforced: ${what}`);
    const parameters = (enforced.length > 0 ? enforced : asked).flatMap(({ effects }) => effects);
    ok(parameters.includes(`signal ${hit.effect.parameter}`), `parameter: ${what}`);
  }
}

/** The policies of this test have one hook each. */
function actsUndecided(policy: Policy, selectorIndex: number): boolean {
  const [hook] = policy.hooks;
  return closesOn(policy, hook!, hook!.selectors[selectorIndex]!);
}

function processOf(pid: number, givenName: string): CallProcess {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const set = (name: string) =>
    BigInt(`0x${new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(status)![1]}`);
  const names: NamespaceName[] = ["uts", "ipc", "mnt", "pid", "net", "cgroup", "user"];
  const inodes = names.map((name) => [
    name,
    Number(/\d+/.exec(Deno.readLinkSync(`/proc/${pid}/ns/${name}`))![0]),
  ]);
  const encoder = new TextEncoder();
  return {
    ...{ tgid: pid, namespaceTgid: 0, ancestors: [] },
    binary: encoder.encode(Deno.readLinkSync(`/proc/${pid}/exe`)),
    givenName: encoder.encode(givenName),
    namespaces: Object.fromEntries(inodes),
    capabilities: {
      ...{ effective: set("CapEff"), inheritable: set("CapInh"), permitted: set("CapPrm") },
    },
  };
}

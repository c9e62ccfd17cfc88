/**
 * Policies in tables in memory beside the same policies as they are written, to compare what both
 * say about a call.
 *
 * @module
 */
import { PolicyTables } from "../../src/policy/compile/policy_tables.ts";
import type { PolicyTablesOptions } from "../../src/policy/compile/policy_tables.ts";
import type { SipSecret } from "../../src/policy/compile/sip_hash.ts";
import {
  type Done,
  evaluatePolicies,
  type Outcome,
} from "../../src/policy/evaluate/evaluate_policies.ts";
import { MemoryTables } from "../../src/policy/evaluate/memory_tables.ts";
import type { PolicyCall } from "../../src/policy/evaluate/policy_call.ts";
import {
  type CallContext,
  simulateCall,
  simulateExec,
  type WordHit,
} from "../../src/policy/evaluate/simulate_call.ts";
import type { Policy } from "../../src/policy/model.ts";
import { namesSet } from "./random_policies.ts";

const SECRET: SipSecret = [0x01234567, 0x89abcdef, 0xdeadbeef, 0x600df00d];

/** One line per selector that acts: what it does in one phase. */
export type Acts = readonly string[];

/** Acts at the call and at its end. */
export interface CallActs {
  readonly atCall: Acts;
  readonly atEnd: Acts;
}

/** Tables, and the policies that should be in them. */
export class PolicyBench {
  readonly memory: MemoryTables;
  readonly tables: PolicyTables;
  /** By name, with the mode as it was last set. */
  readonly policies = new Map<string, Policy>();
  timeMs = 0;

  constructor(change: Partial<PolicyTablesOptions> = {}, memory = new MemoryTables()) {
    this.memory = memory;
    this.tables = new PolicyTables({
      ...{ writer: this.memory, concerns: namesSet, secret: SECRET },
      ...{ rowsMax: 2049 + 8192, slotsMax: 64, now: () => this.timeMs },
      ...change,
    });
  }

  /** What the policies say. */
  expected(call: PolicyCall, set: number, policies = this.policies.values()): CallActs {
    const outcomes = evaluatePolicies(
      policies,
      call,
      (policy, hook, selector) => namesSet(set, policy, hook, selector),
    );
    return {
      atCall: actsOf(outcomes, ({ atCall }) => atCall),
      atEnd: actsOf(outcomes, ({ atEnd }) => atEnd),
    };
  }

  /** What the tables say. */
  found(call: PolicyCall, set: number): CallActs {
    const context = this.context(call, set);
    if (context === undefined) return { atCall: [], atEnd: [] };
    const { atCall, atEnd } = simulateCall(context, call);
    return {
      atCall: this.actsOfHits(context.hook, atCall),
      atEnd: this.actsOfHits(context.hook, atEnd),
    };
  }

  /** Undefined: no policy looks at the hook. */
  context(call: PolicyCall, set: number): CallContext | undefined {
    const hook = this.tables.hookOf(call.point);
    if (hook === undefined) return undefined;
    const treesOf = () => this.treesOf(call);
    return {
      ...{ tables: this.memory, secret: SECRET, set, hook },
      // When it is looked at, as in the kernel.
      get trees() {
        return treesOf();
      },
    };
  }

  /** What the process would have: execs enter trees, those that were there before are looked at. */
  treesOf({ process }: PolicyCall): bigint {
    return [process, ...process.ancestors].reduce(
      (trees, one) => trees | simulateExec({ tables: this.memory, secret: SECRET }, one),
      0n,
    );
  }

  actsOfHits(hook: number, hits: readonly WordHit[]): Acts {
    const acts: string[] = [];
    for (const { index, first, post, enforce, effects } of hits) {
      for (const bit of setBits(first)) {
        const [owner] = this.tables.owners(hook, index, bit);
        const who = owner === undefined
          ? "nobody"
          : `${owner.policy.name}/${owner.hookIndex}/${owner.selectorIndex}`;
        const asked = effects.filter(({ bits }) => (bits & bit) !== 0n)
          .map(({ kind, parameter }) => `${kind === 1 ? "signal" : "override"} ${parameter}`);
        const [posts, isEnforced] = [(post & bit) !== 0n, (enforce & bit) !== 0n];
        acts.push(actText(who, { posts, isEnforced, effects: asked }));
      }
    }
    return acts.sort();
  }
}

function actsOf(outcomes: readonly Outcome[], phase: (outcome: Outcome) => Done | undefined): Acts {
  return outcomes.flatMap((outcome) => {
    const done = phase(outcome);
    const { policy, hookIndex, selectorIndex } = outcome;
    return done === undefined ? [] : [actText(`${policy}/${hookIndex}/${selectorIndex}`, done)];
  }).sort();
}

function* setBits(word: bigint): Iterable<bigint> {
  for (let left = word; left !== 0n; left &= left - 1n) yield left & -left;
}

function actText(who: string, { posts, effects, isEnforced }: Done): string {
  const what = [...effects].sort().join(", ");
  return `${who} ${posts ? "posts" : "silent"} ${isEnforced ? "enforce" : "tell"} ${what}`;
}

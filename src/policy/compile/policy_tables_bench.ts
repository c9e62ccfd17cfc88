/**
 * What it costs user space to bring policies into tables: run `deno bench` on this file. The writer
 * only counts, so that the kernel's share is not in it.
 *
 * @module
 */
import type { Policy } from "../model.ts";
import { PolicyTables } from "./policy_tables.ts";
import type { SipSecret } from "./sip_hash.ts";
import type { TableWriter } from "./table_writer.ts";

const POLICIES = 1000;
const SECRET: SipSecret = [1, 2, 3, 4];
const ROWS_MAX = 10_240;
const SLOTS_MAX = 4096;

class CountingWriter implements TableWriter {
  stores = 0;
  readonly #count = () => {
    this.stores++;
  };
  readonly setRowWord = this.#count;
  readonly setEntry = this.#count;
  readonly deleteEntry = this.#count;
  readonly setHookArg = this.#count;
  readonly setHookReturn = this.#count;
  readonly setHookDim = this.#count;
  readonly setHookDims = this.#count;
  readonly setHookFlags = this.#count;
  readonly setEffectWord = this.#count;
  readonly setEffect = this.#count;
  readonly setEffectBits = this.#count;
  readonly setSlotIndex = this.#count;
  readonly setSlotMask = this.#count;
  readonly setSlotCount = this.#count;
  readonly setMask = this.#count;
  readonly deleteMask = this.#count;
  readonly clearTree = this.#count;

  isDeferred(): boolean {
    return false;
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }
}

function makeTables(): PolicyTables {
  return new PolicyTables({
    ...{ writer: new CountingWriter(), concerns: () => true, secret: SECRET },
    ...{ rowsMax: ROWS_MAX, slotsMax: SLOTS_MAX, now: () => 0 },
  });
}

const place = { file: "bench.yaml", line: 1, column: 1 };
const encoder = new TextEncoder();

/** Lists five paths of 40 bytes that no other policy lists. */
function fivePaths(index: number): Policy {
  const values = [1, 2, 3, 4, 5].map((i) =>
    encoder.encode(`/usr/lib/x86_64-linux-gnu/${index}/${i}`.padEnd(40, "x"))
  );
  const subject = { of: "argument", position: 0, part: "value" } as const;
  const conditions = [{
    subject,
    test: { kind: "text", values },
    isNegated: false,
    place,
  }] as const;
  const actions = [{ kind: "post" }] as const;
  const selectors = [{ place, conditions, workloads: [], actions, returnActions: [] }];
  const args = [{ index: 1, type: "string", place }] as const;
  const point = { kind: "syscall", name: "openat" } as const;
  const hooks = [{ point, place, args, selectors, tags: [] }];
  return { name: `policy-${index}`, place, mode: "enforce", workloads: [], hooks };
}

const policies = Array.from({ length: POLICIES }, (_, i) => fivePaths(i));

Deno.bench("1,000 policies from empty, one by one", async () => {
  const tables = makeTables();
  for (const policy of policies) await tables.add(policy);
});

Deno.bench("1,000 policies from empty, at once", async () => {
  await makeTables().change({ add: policies });
});

const full = makeTables();
await full.change({ add: policies.slice(0, POLICIES - 1) });

Deno.bench("the 1,000th policy comes", { n: 200, warmup: 50 }, async (bench) => {
  bench.start();
  await full.add(policies[POLICIES - 1]!);
  bench.end();
  await full.remove(`policy-${POLICIES - 1}`);
  full.reclaim(() => true);
});

Deno.bench("the 1,000th policy goes", { n: 200, warmup: 50 }, async (bench) => {
  await full.add(policies[POLICIES - 1]!);
  bench.start();
  await full.remove(`policy-${POLICIES - 1}`);
  bench.end();
  full.reclaim(() => true);
});

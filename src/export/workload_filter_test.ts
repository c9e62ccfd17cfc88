import assert from "node:assert/strict";
import type { Workload } from "../events/mod.ts";
import { FilterError } from "./filter_expression.ts";
import { workloadFilter } from "./workload_filter.ts";

const ID = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
const WEB: Workload = {
  kind: "container",
  name: "web",
  id: ID,
  container: { runtime: "docker", id: ID, name: "web" },
  source: "runtime",
};
const PENDING: Workload = {
  ...WEB,
  name: ID.slice(0, 12),
  container: { runtime: "docker", id: ID },
  source: "pending",
  reason: "lookup_running",
};
const HOST: Workload = { kind: "host", name: "host", id: "host", source: "path" };

Deno.test("workloadFilter() wants all filters, and all workloads without one", () => {
  const chosen = (...filters: string[]) => [WEB, PENDING, HOST].filter(workloadFilter(filters));
  assert.deepEqual(chosen(), [WEB, PENDING, HOST]);
  assert.deepEqual(chosen("workload=container"), [WEB, PENDING]);
  assert.deepEqual(chosen("workload=container,host"), [WEB, PENDING, HOST]);
  assert.deepEqual(chosen("workload=container", "container=w*"), [WEB]);
  assert.deepEqual(chosen("workload!=container"), [HOST]);
  assert.deepEqual(chosen(`container=${ID.slice(0, 8)}`), [WEB, PENDING]);
});

Deno.test("workloadFilter() takes a name that is on the way for none", () => {
  assert.equal(workloadFilter(["container=web"])(PENDING), false);
});

Deno.test("workloadFilter() refuses filters about processes and unknown kinds", () => {
  for (const filter of ["uid=0", "event=exec", "tree=1"]) {
    assert.throws(() => workloadFilter([filter]), FilterError);
  }
  assert.throws(() => workloadFilter(["workload=pods/x"]), FilterError);
});

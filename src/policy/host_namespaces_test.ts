import assert from "node:assert/strict";
import { kprobeText, policyOf } from "../../tests/support/policy_text.ts";
import { unknownHostNamespaces, withHostNamespaces } from "./host_namespaces.ts";

function policy(...conditions: string[]) {
  return policyOf(kprobeText(`selectors: [{matchNamespaces: [${conditions.join(", ")}]}]`));
}

Deno.test("withHostNamespaces() puts the host's own inode in place of host_ns", () => {
  const made = withHostNamespaces(
    policy(
      "{namespace: Net, operator: NotIn, values: [host_ns, 5]}",
      "{namespace: Pid, operator: In, values: [7]}",
      "{namespace: Time, operator: In, values: [host_ns]}",
    ),
    { net: 4026531840n, pid: 4026531836n, time: 0n },
  );
  const conditions = made.hooks[0]!.selectors[0]!.conditions;
  assert.deepEqual(conditions.map(({ test }) => test), [
    { kind: "number", values: [5n, 4026531840n] },
    { kind: "number", values: [7n] },
    { kind: "number", values: [] },
  ]);
  assert.deepEqual(conditions.map(({ isNegated }) => isNegated), [true, false, false]);
});

Deno.test("withHostNamespaces() gives a policy without host_ns back as it is", () => {
  const made = policy("{namespace: Pid, operator: In, values: [7]}");
  assert.equal(withHostNamespaces(made, { pid: 1n }), made);
});

Deno.test("unknownHostNamespaces() finds host_ns where nobody knows what it stands for", () => {
  const made = policy(
    "{namespace: Net, operator: NotIn, values: [host_ns, 5]}",
    "{namespace: Mnt, operator: In, values: [7]}",
    "{namespace: Time, operator: In, values: [host_ns]}",
  );
  const unknown = unknownHostNamespaces(made, { time: 0n });
  assert.deepEqual(unknown.map(({ namespace }) => namespace), ["net"]);
  assert.deepEqual(unknownHostNamespaces(made, { time: 0n, net: 1n }), []);
  assert.throws(() => withHostNamespaces(made, { time: 0n }), RangeError);
});

import assert from "node:assert/strict";
import { policiesOf, policyOf } from "../../../tests/support/policy_text.ts";
import type { Policy, Selector } from "../model.ts";
import { readPolicies } from "./read_documents.ts";

const FIXTURES = new URL("../../../tests/fixtures/policies/", import.meta.url);

function fixture(name: string): string {
  return Deno.readTextFileSync(new URL(`${name}.yaml`, FIXTURES));
}

/** A selector without places, texts as texts. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => key !== "place");
  return Object.fromEntries(entries.map(([key, value]) => [key, plain(value)]));
}

function conditions(policy: Policy, hook = 0, selector = 0): unknown {
  return plain(policy.hooks[hook]!.selectors[selector]!.conditions);
}

const ARGUMENT_0 = { of: "argument", position: 0, part: "value" };
const POST: Selector["actions"] = [{ kind: "post" }];

Deno.test("readPolicies() reads file monitoring: programs, paths, a mask, what is returned", () => {
  const policy = policyOf(fixture("file_monitoring"));
  const [hook] = policy.hooks;
  assert.deepEqual(hook!.point, { kind: "kprobe", name: "security_file_permission" });
  assert.deepEqual(plain(hook!.args), [
    { index: 0, type: "file" },
    { index: 1, type: "int32", label: "mask" },
  ]);
  assert.deepEqual(plain(hook!.returns), { index: 0, type: "int32" });
  assert.equal(hook!.message, "file below /etc or /boot");
  assert.deepEqual(hook!.tags, ["observability.filesystem", "files"]);
  assert.deepEqual(conditions(policy), [
    {
      subject: { of: "binary", followChildren: false },
      test: { kind: "text", values: ["/usr/bin/apt", "/usr/bin/dpkg"] },
      isNegated: true,
    },
    {
      subject: ARGUMENT_0,
      test: { kind: "prefix", values: ["/etc/", "/boot/"] },
      isNegated: false,
    },
    { subject: { ...ARGUMENT_0, position: 1 }, test: { kind: "bits", mask: 6n }, isNegated: false },
  ]);
  assert.deepEqual(hook!.selectors[0]!.actions, POST);
  assert.deepEqual(hook!.selectors[0]!.returnActions, []);
  assert.equal(policy.mode, "monitor_only");
  assert.deepEqual(policy.workloads, []);
  assert.deepEqual(hook!.place, { file: "p.yaml", line: 8, column: 5 });
});

Deno.test("readPolicies() reads a policy on connections", () => {
  const policy = policyOf(fixture("tcp_connect"));
  assert.deepEqual(policy.hooks[0]!.selectors.map(({ conditions }) => conditions.length), [3, 2]);
  assert.deepEqual(conditions(policy, 0, 1), [
    {
      subject: { of: "argument", position: 0, part: "destination_port" },
      test: { kind: "range", isSigned: false, values: [{ first: 0n, last: 1023n }] },
      isNegated: false,
    },
    {
      subject: { of: "namespace", namespace: "net" },
      test: { kind: "number", values: [], withHost: true },
      isNegated: true,
    },
  ]);
});

Deno.test("readPolicies() reads a system call with its return value", () => {
  const policy = policyOf(fixture("open_secrets"));
  assert.deepEqual(policy.hooks[0]!.point, { kind: "syscall", name: "openat" });
  assert.deepEqual(conditions(policy), [
    {
      subject: { of: "pid", isNamespacePid: true, followForks: true },
      test: { kind: "number", values: [1n] },
      isNegated: true,
    },
    {
      subject: { ...ARGUMENT_0, position: 1 },
      test: { kind: "prefix", values: ["/root/.ssh/", "/var/lib/secrets/"] },
      isNegated: false,
    },
    {
      subject: { of: "return" },
      test: {
        kind: "range",
        isSigned: true,
        values: [{ first: 1n << 63n, last: (1n << 63n) + (1n << 31n) - 1n }],
      },
      isNegated: false,
    },
  ]);
});

Deno.test("readPolicies() reads a policy that kills on write", () => {
  const policy = policyOf(fixture("protect_shadow"));
  assert.equal(policy.mode, "enforce");
  const [hook] = policy.hooks;
  assert.deepEqual(plain(hook!.args[1]), { index: 1, type: "char_buf", sizeIndex: 2 });
  assert.equal(hook!.selectors[0]!.label, "kill");
  assert.deepEqual(hook!.selectors[0]!.actions, [{ kind: "sigkill" }, ...POST]);
});

Deno.test("readPolicies() reads an LSM policy of a namespace, with a macro and a mode", () => {
  const policy = policyOf(fixture("deny_open"));
  assert.equal(policy.namespace, "payments");
  assert.equal(policy.mode, "monitor");
  assert.deepEqual(plain(policy.workloads), [{
    kinds: ["container", "pod"],
    podLabels: [
      { key: "app", operator: "In", values: ["web"] },
      { key: "tier", operator: "NotIn", values: ["debug"] },
    ],
    podNamespaces: ["payments"],
    notContainerNames: ["sidecar"],
  }]);
  const [hook] = policy.hooks;
  assert.deepEqual(hook!.point, { kind: "lsm", name: "file_open" });
  assert.deepEqual(conditions(policy), [
    { subject: ARGUMENT_0, test: { kind: "postfix", values: [".key", ".pem"] }, isNegated: false },
  ]);
  assert.deepEqual(hook!.selectors[0]!.actions, [
    { kind: "override", errno: 1 },
    { kind: "no_post" },
  ]);
});

Deno.test("readPolicies() reads tracepoints and lists of system calls", () => {
  const policy = policyOf(fixture("raw_syscalls"));
  assert.deepEqual(policy.hooks.map(({ point }) => point), [
    // Kinds of hooks may stand in one policy; kprobes are first.
    { kind: "syscall", name: "mount" },
    { kind: "syscall", name: "umount2" },
    { kind: "syscall", name: "move_mount" },
    { kind: "tracepoint", subsystem: "raw_syscalls", name: "sys_enter" },
    { kind: "raw_tracepoint", name: "sys_enter" },
  ]);
  assert.deepEqual(conditions(policy, 3), [{
    subject: ARGUMENT_0,
    test: { kind: "number", values: [165n, 166n, 429n, 321n] },
    isNegated: false,
  }]);
  const arm = readPolicies(fixture("raw_syscalls"), { file: "p", architecture: "aarch64" });
  const [document] = arm.documents;
  assert(document?.kind === "policy");
  assert.deepEqual(conditions(document.policy, 4), [{
    subject: ARGUMENT_0,
    test: { kind: "number", values: [280n] },
    isNegated: false,
  }]);
});

Deno.test("readPolicies() reads capabilities, a hook that may be missing, a signal", () => {
  const policy = policyOf(fixture("capability_checks"));
  const [hook] = policy.hooks;
  assert.equal(hook!.mayBeMissing, true);
  assert.deepEqual(conditions(policy), [
    {
      subject: { ...ARGUMENT_0, position: 2 },
      test: { kind: "number", values: [21n, 39n] },
      isNegated: false,
    },
    {
      subject: { of: "capabilities", set: "permitted" },
      test: { kind: "bits", mask: 1n << 21n },
      isNegated: true,
    },
  ]);
  assert.deepEqual(hook!.selectors[0]!.actions, [{ kind: "signal", signal: 15 }, ...POST]);
  assert.deepEqual(hook!.selectors[1]!.actions, [{ kind: "no_post" }]);
  const kinds = ["machine", "service", "scope", "slice", "unit", "session", "host"];
  assert.deepEqual(plain(policy.workloads), [{ kinds }]);
});

Deno.test("resolvePolicies() makes a policy of each binding", () => {
  const [first, second] = policiesOf(fixture("writable_paths"));
  assert.equal(first!.name, "web-paths");
  assert.equal(first!.require, "prevent");
  assert.equal(first!.mode, "enforce");
  assert.equal(second!.mode, "monitor");
  assert.deepEqual(conditions(first!), [
    {
      subject: { of: "binary", followChildren: false },
      test: { kind: "text", values: ["/usr/bin/dpkg"] },
      isNegated: true,
    },
    {
      subject: ARGUMENT_0,
      test: { kind: "prefix", values: ["/srv/www/", "/var/log/nginx/"] },
      isNegated: true,
    },
  ]);
  assert.deepEqual(first!.binding, {
    template: "writable-paths",
    name: "web-paths",
    overrideAllowed: true,
    overridePriority: 0,
  });
  assert.equal(second!.binding!.overridePriority, 10);
  assert.deepEqual(plain(first!.workloads), [
    { kinds: ["container"], images: ["*nginx*"] },
    { units: ["nginx.service"] },
  ]);
  assert.deepEqual(plain(second!.workloads), [{
    labels: [
      { key: "app", operator: "In", values: ["web"] },
      { key: "canary", operator: "Exists", values: [] },
    ],
  }]);
  assert.equal(second!.place.line, 45);
});

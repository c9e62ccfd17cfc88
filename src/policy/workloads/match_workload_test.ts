import assert from "node:assert/strict";
import {
  PENDING_POD,
  PENDING_WEB,
  POD_WEB,
  WEB,
  WEB_ID,
} from "../../../tests/support/sample_workloads.ts";
import { SAMPLE_WORKLOAD } from "../../../tests/support/sample_events.ts";
import type { Workload } from "../../events/mod.ts";
import { conflictText, decideBindings } from "./decide_bindings.ts";
import { selectorsKey, WorkloadMatcher } from "./match_workload.ts";
import type { Policy, PolicyBinding, WorkloadSelector } from "../model.ts";
import { WordGlob } from "./word_glob.ts";

const PLACE = { file: "p.yaml", line: 1, column: 1 };

const SSH: Workload = {
  kind: "service",
  name: "ssh.service",
  id: "/system.slice/ssh.service",
  unit: { name: "ssh.service", slice: "system.slice" },
  source: "kernel",
};
const SESSION: Workload = {
  kind: "session",
  name: "3",
  id: "3",
  unit: { name: "session-3.scope", slice: "user-1000.slice" },
  userUid: 1000,
  source: "kernel",
};

function match(
  selector: Omit<WorkloadSelector, "place">,
  workload: Workload,
  path: string | undefined = "/a/b",
): string {
  return new WorkloadMatcher([{ place: PLACE, ...selector }]).match({ workload, path });
}

Deno.test("WordGlob matches runs, single characters and escapes, within its bound", () => {
  const matches = (pattern: string, text: string) => new WordGlob(pattern).matches(text);
  assert.ok(matches("*nginx:*", "docker.io/library/nginx:1.27"));
  assert.ok(matches("/system.slice/*", "/system.slice/a/b"));
  assert.ok(!matches("/system.slice/*", "/system.slice"));
  assert.ok(matches("a?c", "abc") && !matches("a?c", "ac"));
  assert.ok(matches("a\\*", "a*") && !matches("a\\*", "ab"));
  assert.ok(matches("*", "") && matches("**", "x") && !matches("", "x"));
  assert.ok(matches("*ab*ab", "abab") && !matches("*ab*ab", "aab"));
  const slow = new WordGlob("*a".repeat(2048) + "b");
  assert.ok(!slow.matches("a".repeat(4096)));
  assert.ok(slow.steps > 4096 && slow.steps <= 4096 * 4097, `${slow.steps} steps`);
  assert.ok(!matches("*", "a".repeat(4097)));
});

Deno.test("WorkloadMatcher without selectors means everything", () => {
  const everything = new WorkloadMatcher([]);
  assert.equal(everything.match({ workload: SAMPLE_WORKLOAD, path: undefined }), "matched");
});

Deno.test("WorkloadMatcher asks for one selector, and for all that it says", () => {
  const place = PLACE;
  const matcher = new WorkloadMatcher([
    { place, kinds: ["service"], names: ["ssh*"] },
    { place, kinds: ["container"], images: ["nginx:*"] },
  ]);
  const results = [SSH, WEB, SESSION, PENDING_WEB].map((workload) =>
    matcher.match({ workload, path: "/" })
  );
  assert.deepEqual(results, ["matched", "matched", "unmatched", "undecided"]);
  assert.equal(match({ kinds: ["service"], names: ["cron*"] }, SSH), "unmatched");
});

Deno.test("WorkloadMatcher knows each part of a workload", () => {
  const cases: readonly (readonly [Omit<WorkloadSelector, "place">, Workload, Workload])[] = [
    [{ kinds: ["container"] }, WEB, SSH],
    [{ kinds: ["host", "session"] }, SESSION, WEB],
    [{ names: ["we?"] }, WEB, SSH],
    [{ names: ["nginx"] }, POD_WEB, WEB],
    [{ names: ["prod/*"] }, POD_WEB, WEB],
    [{ images: ["nginx:1.*"] }, WEB, SSH],
    [{ images: ["sha256:c0ffee"] }, WEB, POD_WEB],
    [{ units: ["ssh.service"] }, SSH, SESSION],
    [{ units: ["ssh"] }, SSH, SESSION],
    [{ slices: ["system.slice"] }, SSH, SESSION],
    [{ users: [0, 1000] }, SESSION, SSH],
    [{ runtimes: ["docker", "podman"] }, WEB, POD_WEB],
    [{ podNamespaces: ["prod"] }, POD_WEB, WEB],
    [{ containerNames: ["nginx"] }, POD_WEB, WEB],
    [{ notContainerNames: ["ngin*"] }, WEB, POD_WEB],
    [{ notContainerNames: ["none"] }, WEB, SSH],
  ];
  for (const [selector, yes, no] of cases) {
    assert.equal(match(selector, yes), "matched", JSON.stringify(selector));
    assert.equal(match(selector, no), "unmatched", JSON.stringify(selector));
  }
});

Deno.test("WorkloadMatcher reads labels as Kubernetes does", () => {
  const label = (operator: "In" | "NotIn" | "Exists" | "DoesNotExist", ...values: string[]) => [
    { key: "tier", operator, values },
  ];
  assert.equal(match({ labels: label("In", "back", "fr*") }, WEB), "matched");
  assert.equal(match({ labels: label("In", "back") }, WEB), "unmatched");
  assert.equal(match({ labels: label("NotIn", "back") }, WEB), "matched");
  assert.equal(match({ labels: label("NotIn", "front") }, WEB), "unmatched");
  assert.equal(match({ labels: label("Exists") }, WEB), "matched");
  assert.equal(match({ labels: label("DoesNotExist") }, WEB), "unmatched");
  assert.equal(match({ labels: label("NotIn", "x") }, { ...WEB, container: BARE }), "matched");
  assert.equal(match({ labels: label("NotIn", "x") }, SSH), "unmatched", "it is no container");
  const app = { key: "k8s:app", operator: "In", values: ["web"] } as const;
  assert.equal(match({ podLabels: [app] }, POD_WEB), "matched");
  const front = { key: "tier", operator: "In", values: ["front"] } as const;
  assert.equal(match({ podLabels: [front] }, WEB), "matched", "a container without a pod");
  assert.equal(match({ podLabels: [{ ...app, key: "toString" }] }, POD_WEB), "unmatched");
});

const BARE = { runtime: "docker", id: WEB_ID };

Deno.test("WorkloadMatcher does not decide what a runtime is being asked for", () => {
  const unknown: readonly Omit<WorkloadSelector, "place">[] = [
    { names: ["web"] },
    { images: ["nginx:*"] },
    { containerNames: ["web"] },
    { notContainerNames: ["web"] },
    { podNamespaces: ["prod"] },
    { labels: [{ key: "tier", operator: "NotIn", values: ["back"] }] },
    { podLabels: [{ key: "app", operator: "Exists", values: [] }] },
    { kinds: ["pod"] },
  ];
  for (const selector of unknown) {
    assert.equal(match(selector, PENDING_WEB), "undecided", JSON.stringify(selector));
    const failed = { ...PENDING_WEB, source: "path", reason: "runtime_failed" } as const;
    assert.equal(match(selector, failed), "unmatched", JSON.stringify(selector));
  }
  assert.equal(match({ names: [WEB_ID.slice(0, 12)] }, PENDING_WEB), "matched");
  assert.equal(match({ runtimes: ["docker"], names: ["web"] }, PENDING_POD), "unmatched");
  const hidden = { ...PENDING_WEB, container: { ...BARE, runtime: "unknown" } };
  assert.equal(match({ runtimes: ["docker"] }, hidden), "undecided");
  assert.equal(match({ kinds: ["service"] }, PENDING_WEB), "unmatched");
});

Deno.test("WorkloadMatcher goes by the path of the cgroup", () => {
  assert.equal(match({ cgroupPaths: ["/batch/*"] }, SAMPLE_WORKLOAD, "/batch/1/2"), "matched");
  assert.equal(match({ cgroupPaths: ["/batch/*"] }, SAMPLE_WORKLOAD, "/x"), "unmatched");
  const matcher = new WorkloadMatcher([{ place: PLACE, cgroupPaths: ["*"] }]);
  assert.equal(matcher.match({ workload: SAMPLE_WORKLOAD, path: undefined }), "undecided");
  assert.equal(matcher.asksPath, true);
  assert.equal(new WorkloadMatcher([{ place: PLACE, names: ["a"] }]).asksPath, false);
  const outer = match({ slices: ["user.slice"] }, SESSION, "/user.slice/user-1000.slice/x.scope");
  assert.equal(outer, "matched");
});

Deno.test("selectorsKey() is the same for the same meaning", () => {
  const a: WorkloadSelector = { place: PLACE, kinds: ["container"], names: ["a"] };
  const b: WorkloadSelector = { place: { ...PLACE, line: 9 }, names: ["a"], kinds: ["container"] };
  assert.equal(selectorsKey([a]), selectorsKey([b]));
  assert.notEqual(selectorsKey([a]), selectorsKey([{ ...a, names: ["b"] }]));
  assert.notEqual(selectorsKey([a]), selectorsKey([]));
});

function bound(name: string, change: Partial<PolicyBinding> = {}): Policy {
  const origin = { template: "t", name, overrideAllowed: true, overridePriority: 0, ...change };
  return { name, place: PLACE, mode: "enforce", workloads: [], hooks: [], binding: origin };
}

Deno.test("decideBindings() lets the highest priority win where all allow it", () => {
  const [low, high] = [bound("low"), bound("high", { overridePriority: 5 })];
  const other = bound("other", { template: "u", overrideAllowed: false });
  const { losers, conflicts } = decideBindings([low, high, other]);
  assert.deepEqual([...losers], [low]);
  assert.deepEqual(conflicts, []);
});

Deno.test("decideBindings() lets none win where one does not allow it, or priorities are equal", () => {
  const [a, b] = [bound("a"), bound("b", { overrideAllowed: false, overridePriority: 9 })];
  const refused = decideBindings([a, b]);
  assert.deepEqual([...refused.losers], [a, b]);
  assert.equal(
    conflictText(refused.conflicts[0]!, "container web"),
    'bindings "a" and "b" of template "t" select container web, and not all of them have ' +
      "overrideAllowed",
  );
  const equal = decideBindings([a, bound("c")]);
  assert.equal(equal.losers.size, 2);
  assert.match(conflictText(equal.conflicts[0]!, "host"), /their priorities are equal$/);
  assert.equal(
    decideBindings([a, { ...a, binding: { ...a.binding!, template: "v" } }]).losers.size,
    0,
  );
});

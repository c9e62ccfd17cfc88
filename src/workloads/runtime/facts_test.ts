import { deepStrictEqual, equal, ok } from "node:assert/strict";
import { Counters } from "../../telemetry/mod.ts";
import { FactLimits } from "./fact_limits.ts";
import { parseMoment } from "./moment.ts";
import type { Subject } from "./runtime_client.ts";
import { apisFor, isTrusted } from "./runtime_order.ts";

Deno.test("FactLimits.labels() keeps the small ones and counts the rest", () => {
  const counters = new Counters();
  const limits = new FactLimits(counters);
  const many = Array.from({ length: 100 }, (_, at) => [`key${at}`, "v"] as const);
  equal(Object.keys(limits.labels(many) ?? {}).length, 64);
  equal(counters.total("shrike_workloads_labels_dropped_total"), 36);
  const huge = limits.labels([["small", "s"], ["huge", "x".repeat(20_000)]]);
  deepStrictEqual({ ...huge }, { small: "s" });
  equal(limits.labels([]), undefined);
  equal(limits.labels([["number", 5]]), undefined);
});

Deno.test("FactLimits.labels() takes any name", () => {
  const labels = new FactLimits(new Counters()).labels([["__proto__", "x"], ["constructor", "y"]]);
  deepStrictEqual(Object.keys(labels ?? {}).sort(), ["__proto__", "constructor"]);
  equal(labels?.["toString"], undefined);
  ok(Object.isFrozen(labels));
});

Deno.test("FactLimits.text() cuts and counts", () => {
  const counters = new Counters();
  const limits = new FactLimits(counters);
  equal(limits.text("x".repeat(1000))?.length, 512);
  equal(counters.total("shrike_workloads_texts_cut_total"), 1);
  ok(limits.text(`${"x".repeat(511)}😀`)?.isWellFormed());
  deepStrictEqual([limits.text(""), limits.text(5), limits.text("a")], [undefined, undefined, "a"]);
});

Deno.test("parseMoment() reads what Go writes", () => {
  equal(parseMoment("1970-01-01T00:00:01Z"), 1_000_000_000n);
  equal(parseMoment("1970-01-01T01:00:00.000000001+01:00"), 1n);
  equal(parseMoment("1970-01-01T00:00:00.5Z"), 500_000_000n);
  for (const text of ["0001-01-01T00:00:00Z", "", "now", "1970-13-01T00:00:00Z", 5, null]) {
    equal(parseMoment(text), undefined, String(text));
  }
});

const SUBJECT: Subject = { kind: "container", id: "x", runtime: "unknown", inPod: false };

Deno.test("apisFor() asks whom the path names, else all", () => {
  const apis = (change: Partial<Subject>) => apisFor({ ...SUBJECT, ...change }).join(" ");
  equal(apis({ runtime: "docker" }), "docker cri");
  equal(apis({ runtime: "containerd" }), "cri containerd");
  equal(apis({ runtime: "containerd", namespace: "ci" }), "containerd");
  equal(apis({ runtime: "containerd", namespace: "k8s.io" }), "cri containerd");
  equal(apis({}), "docker podman cri containerd");
  equal(apis({ inPod: true }), "cri docker containerd podman");
  equal(apis({ runtime: "lxc" }), "");
  equal(apis({ kind: "pod", runtime: "kubernetes" }), "cri");
  equal(apis({ kind: "pod", runtime: "podman" }), "podman");
  equal(apis({ kind: "unit", runtime: "systemd" }), "systemd");
  equal(apis({ kind: "unit", runtime: "systemd", userUid: 1000 }), "");
});

Deno.test("isTrusted() believes a user about that user's cgroups only", () => {
  equal(isTrusted(undefined, SUBJECT), true);
  equal(isTrusted(undefined, { ...SUBJECT, userUid: 1000 }), true);
  equal(isTrusted(1000, { ...SUBJECT, userUid: 1000 }), true);
  equal(isTrusted(1000, { ...SUBJECT, userUid: 1001 }), false);
  equal(isTrusted(1000, SUBJECT), false);
});

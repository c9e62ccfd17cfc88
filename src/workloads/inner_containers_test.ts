import assert from "node:assert/strict";
import type { CgroupPlace, Workload } from "../events/mod.ts";
import { InnerContainers } from "./inner_containers.ts";
import { recognisePath } from "./recognise_path.ts";

const POD_UID = "0a1b2c3d-0000-4000-8000-000000000001";
const OUTER = "a".repeat(64);
const INNER = "b".repeat(64);
const BASE = `/kubepods/burstable/pod${POD_UID}/${OUTER}`;

const WEB: Workload = Object.freeze({
  ...{ kind: "container", name: "web", id: OUTER, source: "runtime" },
  container: { runtime: "containerd", id: OUTER },
});

function placeAt(path: string): CgroupPlace {
  return { id: 11n, trackingId: 10n, level: path.split("/").length - 1, hierarchy: 0, path };
}

Deno.test("InnerContainers.workloadAt() says in which container inside of it a process is", () => {
  const inner = new InnerContainers(recognisePath);
  const docker = { runtime: "docker", id: INNER };
  const place = placeAt(`${BASE}/docker/${INNER}`);
  const workload = inner.workloadAt(WEB, place);
  assert.deepEqual(workload, { ...WEB, inner: docker });
  assert.equal(inner.workloadAt(WEB, place), workload);
  const deeper = placeAt(`${BASE}/docker/${INNER}/init.scope`);
  assert.equal(inner.workloadAt(WEB, deeper), workload, "one object for one inner container");
  assert.equal(inner.workloadAt(workload, deeper), workload);
  const named = { ...WEB, name: "shop" };
  assert.deepEqual(inner.workloadAt(named, place), { ...named, inner: docker });
});

Deno.test("InnerContainers.workloadAt() leaves alone what has no container inside", () => {
  const inner = new InnerContainers(recognisePath);
  assert.equal(inner.workloadAt(WEB, placeAt(`${BASE}/init.scope`)), WEB);
  assert.equal(
    inner.workloadAt(WEB, placeAt(`/docker/${INNER}/docker/${OUTER}`)),
    WEB,
    "another's",
  );
  assert.equal(inner.workloadAt(WEB, { ...placeAt(BASE), id: 10n }), WEB);
  const { path: _, ...pathless } = placeAt(BASE);
  assert.equal(inner.workloadAt(WEB, pathless), WEB);
  const { container: __, ...unit } = { ...WEB, kind: "service" as const };
  assert.equal(inner.workloadAt(unit, placeAt(`${BASE}/docker/${INNER}`)), unit);
});

Deno.test("InnerContainers.forgetPaths() has paths read again", () => {
  let home = "";
  const inner = new InnerContainers((path) => recognisePath(path, { home }));
  const place = placeAt(`${BASE}/docker/${INNER}`);
  assert.equal(inner.workloadAt(WEB, place).inner?.id, INNER);
  home = BASE;
  inner.forgetPaths();
  assert.equal(inner.workloadAt(WEB, place), WEB, "the pod's container is the host now");
});

Deno.test("InnerContainers.workloadAt() holds a bounded number of containers", () => {
  const inner = new InnerContainers(recognisePath);
  const idOf = (number: number) => number.toString(16).padStart(64, "0");
  const at = (number: number) => inner.workloadAt(WEB, placeAt(`${BASE}/docker/${idOf(number)}`));
  const [first, last] = [at(1), at(256)];
  for (let number = 2; number <= 257; number++) assert.equal(at(number).inner?.id, idOf(number));
  assert.equal(at(256), last);
  assert.notEqual(at(1), first, "it was forgotten");
  assert.deepEqual(at(1), first);
});

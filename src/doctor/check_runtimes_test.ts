import assert from "node:assert/strict";
import { checkRuntimes, type RuntimeEndpoint, type RuntimesLook } from "./check_runtimes.ts";
import type { Finding } from "./finding.ts";

const DOCKER: RuntimeEndpoint = {
  api: "docker",
  path: "/run/docker.sock",
  version: "docker 20.10.24",
  isWatching: true,
};

function check(look: Partial<RuntimesLook>): Finding {
  const findings = checkRuntimes({ isAsked: true, endpoints: [], unused: [], ...look });
  assert.equal(findings.length, 1);
  const finding = findings[0]!;
  assert.equal(finding.topic, "runtimes");
  assert.equal(finding.hint === undefined, finding.status === "ok");
  assert.equal(finding.follows === undefined, finding.status === "ok");
  return finding;
}

function endpoint(change: Partial<RuntimeEndpoint>): Finding {
  return check({ endpoints: [{ ...DOCKER, ...change }] });
}

Deno.test("checkRuntimes() tells who answers, where, and whether it has news", () => {
  const watching = endpoint({});
  assert.deepEqual([watching.name, watching.status], ["docker", "ok"]);
  assert.equal(
    watching.text,
    'docker 20.10.24 at "/run/docker.sock", tells of new containers by itself',
  );
  const silent = endpoint({ isWatching: false, userUid: 1000 });
  assert.deepEqual([silent.status, silent.text], [
    "ok",
    'docker 20.10.24 at "/run/docker.sock" of user 1000',
  ]);
});

Deno.test("checkRuntimes() warns of a runtime that does not answer, with its cure", () => {
  const error = {
    text: 'Cannot ask "docker": no answer within 50 ms',
    hint: "see whether it hangs",
  };
  const { version: _, ...unknown } = DOCKER;
  const finding = check({ endpoints: [{ ...unknown, error }] });
  assert.equal(finding.status, "warning");
  assert.ok(finding.text.includes(error.text) && finding.text.includes("/run/docker.sock"));
  assert.equal(finding.hint, error.hint);
  assert.match(finding.follows!, /containers have ids in place of names/);
  const bus = check({ endpoints: [{ ...unknown, api: "systemd", error }] });
  assert.match(bus.follows!, /units have no descriptions/);
});

Deno.test("checkRuntimes() warns when only the news of a runtime fail", () => {
  const finding = endpoint({ isWatching: false, lastError: "status 500" });
  assert.equal(finding.status, "warning");
  assert.match(finding.text, /^docker 20.10.24 .*: status 500$/);
});

Deno.test("checkRuntimes() takes no other API for a failure", () => {
  const { version: _, ...unknown } = DOCKER;
  const finding = check({ endpoints: [{ ...unknown, api: "cri", isWatching: false }] });
  assert.equal(finding.status, "ok");
  assert.match(finding.text, /does not offer this API/);
});

Deno.test("checkRuntimes() warns of sockets that are named or strange", () => {
  const missing = check({ unused: [{ api: "cri", path: "/run/x.sock", exists: false }] });
  assert.deepEqual([missing.name, missing.status], ["cri", "warning"]);
  assert.match(missing.text, /"\/run\/x.sock" is not there/);
  const strange = check({ unused: [{ api: "cri", path: "/run/x.sock", exists: true }] });
  assert.match(strange.text, /is no socket that root or its user owns/);
});

Deno.test("checkRuntimes() is content with none, and with nobody asked", () => {
  const none = check({});
  assert.deepEqual([none.name, none.status], ["runtimes", "ok"]);
  assert.match(none.text, /--runtime-socket/);
  const off = check({ isAsked: false });
  assert.equal(off.status, "ok");
  assert.match(off.text, /workload.runtimes is false/);
});

import assert from "node:assert/strict";
import { type SendDatagram, ServiceManager, Watchdog } from "./health.ts";

function open(
  environment: Record<string, string>,
  send?: SendDatagram,
): { manager: ServiceManager; sent: [string, string][] } {
  const sent: [string, string][] = [];
  const keep: SendDatagram = (address, bytes) =>
    void sent.push([address, new TextDecoder().decode(bytes)]);
  return { manager: new ServiceManager({ environment, pid: 7, send: send ?? keep }), sent };
}

Deno.test("ServiceManager sends the protocol's fields to the socket it was given", () => {
  const { manager, sent } = open({ NOTIFY_SOCKET: "@/org/x" });
  manager.ready("watching 2 CPUs\nfor ever");
  manager.status("busy");
  manager.ping();
  manager.stopping();
  assert.deepEqual(sent, [
    ["@/org/x", "READY=1\nSTATUS=watching 2 CPUs for ever"],
    ["@/org/x", "STATUS=busy"],
    ["@/org/x", "WATCHDOG=1"],
    ["@/org/x", "STOPPING=1\nSTATUS=Stopping"],
  ]);
});

Deno.test("ServiceManager is silent without a usable socket", () => {
  for (const address of [undefined, "", "vsock:2:1234", "/", "@"]) {
    const { manager, sent } = open({
      WATCHDOG_USEC: "1000000",
      ...(address === undefined ? {} : { NOTIFY_SOCKET: address }),
    });
    manager.ready("x");
    assert.equal(manager.isPresent, false);
    assert.equal(manager.pingIntervalMs, undefined);
    assert.deepEqual(sent, []);
  }
});

Deno.test("ServiceManager counts what cannot be sent and goes on", () => {
  const { manager } = open({ NOTIFY_SOCKET: "/run/x" }, () => {
    throw new Error("ENOENT");
  });
  manager.ready("x");
  manager.ping();
  assert.equal(manager.failures, 2);
});

Deno.test("ServiceManager pings at half the watchdog's time, for its own pid only", () => {
  const interval = (environment: Record<string, string>) =>
    open({ NOTIFY_SOCKET: "/run/x", ...environment }).manager.pingIntervalMs;
  assert.equal(interval({ WATCHDOG_USEC: "30000000" }), 15_000);
  assert.equal(interval({ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "7" }), 15_000);
  assert.equal(interval({ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "8" }), undefined);
  assert.equal(interval({ WATCHDOG_USEC: "1" }), 10);
  assert.equal(interval({ WATCHDOG_USEC: "0" }), undefined);
  assert.equal(interval({ WATCHDOG_USEC: "soon" }), undefined);
  assert.equal(interval({}), undefined);
});

Deno.test("Watchdog pings only while the pipeline makes progress", () => {
  const { manager, sent } = open({ NOTIFY_SOCKET: "/run/x", WATCHDOG_USEC: "1000000" });
  let turns = 0;
  const watchdog = new Watchdog(manager, () => turns);
  watchdog.tick();
  turns++;
  watchdog.tick();
  assert.equal(sent.length, 2);
  watchdog.tick();
  watchdog.tick();
  assert.equal(sent.length, 2);
  assert.equal(watchdog.missed, 2);
  turns++;
  watchdog.tick();
  assert.equal(sent.length, 3);
  assert.equal(watchdog.missed, 0);
});

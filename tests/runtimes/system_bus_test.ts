import { rejects } from "node:assert/strict";
import { join } from "node:path";
import { Counters } from "../../src/telemetry/mod.ts";
import { FactLimits } from "../../src/workloads/runtime/fact_limits.ts";
import { SystemdClient } from "../../src/workloads/systemd/systemd_client.ts";
import { Daemon, stateFolder } from "./private_runtime.ts";
import { runtimeTest } from "./runtime_test_case.ts";

const DBUS_DAEMON = "/usr/bin/dbus-daemon";

runtimeTest({
  name: "SystemdClient.lookUp() logs in to a real bus and is told that systemd is not there",
  programs: [DBUS_DAEMON],
  async run() {
    await using folder = await stateFolder("bus");
    const socketPath = join(folder.path, "bus.sock");
    const config = join(folder.path, "bus.conf");
    await Deno.writeTextFile(
      config,
      `<busconfig><type>system</type><listen>unix:path=${socketPath}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/>
<allow receive_requested_reply="true"/><allow own="*"/><allow user="*"/></policy>
</busconfig>`,
    );
    const daemon = new Daemon({
      program: DBUS_DAEMON,
      args: ["--nofork", "--nopidfile", "--config-file", config],
      socketPath,
      logPath: join(folder.path, "bus.log"),
    });
    await daemon.start();
    try {
      const client = new SystemdClient({
        socketPath,
        limits: { timeoutMs: 5000, responseSizeMax: 100_000 },
        factLimits: new FactLimits(new Counters()),
      });
      const asked = client.lookUp({
        kind: "unit",
        id: "x.service",
        runtime: "systemd",
        inPod: false,
      });
      await rejects(asked, { code: "refused", message: /NameHasNoOwner|ServiceUnknown/ });
    } finally {
      await daemon.stop();
    }
  },
});

/** Descriptions of units, from a systemd that is the first process of a guest. */
import { deepStrictEqual } from "node:assert/strict";
import { join } from "node:path";
import { runTool } from "../../scripts/build/run_tool.ts";
import { hostPlatform, openWorkspace, pinnedDeno } from "../../scripts/build/workspace.ts";
import { fetchKernel } from "../../scripts/fetch_kernels.ts";
import { bootGuest } from "../matrix/boot_kernel.ts";
import { findProgram, GuestTree } from "../matrix/guest_tree.ts";
import { systemdBoot } from "../matrix/systemd_root.ts";
import { stateFolder } from "./private_runtime.ts";

/** The kernel that belongs to the guest's Debian. */
const KERNEL = "6.1";
const GUEST_TIMEOUT_MS = 120_000;

const CLIENT = new URL("../../src/workloads/systemd/systemd_client.ts", import.meta.url).pathname;
const LIMITS = new URL("../../src/workloads/runtime/fact_limits.ts", import.meta.url).pathname;
const TELEMETRY = new URL("../../src/telemetry/counters.ts", import.meta.url).pathname;

/** Asks for the units named and prints a line of JSON for each answer. */
const PROGRAM = `
import { SystemdClient } from "${CLIENT}";
import { FactLimits } from "${LIMITS}";
import { Counters } from "${TELEMETRY}";
const client = new SystemdClient({
  socketPath: "/run/dbus/system_bus_socket",
  limits: { timeoutMs: 20_000, responseSizeMax: 100_000 },
  factLimits: new FactLimits(new Counters()),
});
for (const id of Deno.args) {
  const facts = await client.lookUp({ kind: "unit", id, runtime: "systemd", inPod: false });
  console.log("@ " + JSON.stringify([id, facts?.description ?? null]));
}
`;

/** An instance with an escape, and a bus: neither is in the smallest Debian. */
const COMMAND = `
echo 'messagebus:x:105:110::/nonexistent:/usr/sbin/nologin' >>/etc/passwd
echo 'messagebus:x:110:' >>/etc/group
cat >'/etc/systemd/system/nap@.service' <<END
[Unit]
Description=Nap of %I
[Service]
ExecStart=/usr/bin/sleep 1000
END
systemctl daemon-reload
systemctl start dbus.socket dbus.service 'nap@a\\x2db.service' || exit 21
deno run -A /ask.js dbus.service 'nap@a\\x2db.service' gone.service
`;

Deno.test({
  name: "SystemdClient.lookUp() is told descriptions by systemd",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using folder = await stateFolder("systemd");
    const tree = new GuestTree({ mergedUsr: true });
    const deno = pinnedDeno(openWorkspace());
    await tree.addProgram("/usr/bin/deno", deno);
    await tree.addProgram("/usr/bin/dbus-daemon", await findProgram("dbus-daemon"));
    for (
      const path of [
        "/usr/share/dbus-1/system.conf",
        "/lib/systemd/system/dbus.service",
        "/lib/systemd/system/dbus.socket",
      ]
    ) tree.addFile(path.replace(/^\/lib/, "/usr/lib"), path);
    tree.addFile("/ask.js", await bundle(folder.path));
    const result = await bootGuest({
      ...await systemdBoot(tree),
      ...{ kernel: await fetchKernel(KERNEL), command: COMMAND, timeoutMs: GUEST_TIMEOUT_MS },
    });
    const said = Array.from(result.output.matchAll(/^@ (.*)$/gm), ([, line]) => JSON.parse(line!));
    deepStrictEqual(said, [
      ["dbus.service", "D-Bus System Message Bus"],
      ["nap@a\\x2db.service", "Nap of a-b"],
      ["gone.service", null],
    ], result.output);
  },
});

/** One file without imports. */
async function bundle(folder: string): Promise<string> {
  const { root } = openWorkspace();
  const entry = join(folder, "ask.ts");
  await Deno.writeTextFile(entry, PROGRAM);
  const esbuild = join(root, `node_modules/@esbuild/linux-${hostPlatform().npm}/bin/esbuild`);
  const output = join(folder, "ask.js");
  await runTool(esbuild, [
    entry,
    "--bundle",
    "--format=esm",
    "--log-level=warning",
    `--outfile=${output}`,
  ]);
  return output;
}

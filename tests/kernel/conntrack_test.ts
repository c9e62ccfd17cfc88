/**
 * A translated address in a network namespace of its own, as the running kernel tells it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Conntrack } from "../../src/network/conntrack.ts";
import { sampleTuple } from "../support/fake_network_kernel.ts";
import { Counters } from "../../src/telemetry/mod.ts";

const SERVICE = { address: "10.96.0.1", port: 80 };
const SERVER = { address: "127.0.0.1", port: 8080 };
const CLIENT = "10.0.0.5";

/** Rules, a server, and a connection to the address that they translate. */
const IN_NAMESPACE = `
ip link set lo up && ip addr add ${CLIENT}/32 dev lo &&
ip route add 10.96.0.0/16 dev lo src ${CLIENT} &&
iptables -t nat -A OUTPUT -p tcp -d ${SERVICE.address} --dport ${SERVICE.port} \
  -j DNAT --to ${SERVER.address}:${SERVER.port} || exit 9
exec "$0" eval '
  const server = Deno.listen({ hostname: "${SERVER.address}", port: ${SERVER.port} });
  const accepted = server.accept();
  const client = await Deno.connect({ hostname: "${SERVICE.address}", port: ${SERVICE.port} });
  await accepted;
  console.log(client.localAddr.port);
  await Deno.stdin.read(new Uint8Array(1));
  Deno.exit(0);
'`;

/** Whether a namespace can be made here in which addresses are translated. */
function canTranslate(): boolean {
  const script = `iptables -t nat -L >/dev/null 2>&1 && ip link set lo up &&
    test -r /proc/self/net/nf_conntrack`;
  try {
    return new Deno.Command("unshare", { args: ["-n", "sh", "-c", script] }).outputSync().success;
  } catch {
    return false;
  }
}

const NAME = "Conntrack finds the server behind an address that iptables translates";
const ignore = !canTranslate();
if (ignore) console.error(`skip: ${NAME}: no iptables with nat, or no /proc/net/nf_conntrack`);

Deno.test({
  name: NAME,
  ignore,
  fn: async () => {
    const child = new Deno.Command("unshare", {
      args: ["-n", "sh", "-c", IN_NAMESPACE, Deno.execPath()],
      ...{ stdin: "piped", stdout: "piped", stderr: "inherit" },
    }).spawn();
    const reader = child.stdout.getReader();
    try {
      const { value } = await reader.read();
      const port = Number(new TextDecoder().decode(value));
      assert(port > 0, "the connection is there");
      const conntrack = new Conntrack({
        counters: new Counters(),
        path: `/proc/${child.pid}/net/nf_conntrack`,
        onMissing: (error) => assert.fail(error),
      });
      await conntrack.refresh();
      const local = { address: CLIENT, port };
      assert.deepEqual(conntrack.find(sampleTuple({ local, remote: SERVICE })), SERVER);
      const direct = sampleTuple({ local, remote: SERVER });
      assert.equal(conntrack.find(direct), undefined);
    } finally {
      await child.stdin.close();
      await reader.cancel();
      await child.status;
    }
  },
});

/** What the agent tells of a real name server, dnsmasq, and of those who ask it. */
import assert from "node:assert/strict";
import { answersWell, startWithMetrics, textOf, valuesIn } from "./agent_metrics.ts";
import type { EventJson, ProcessJson } from "./event_json.ts";
import { NetworkProgram, programPath, TestNetwork } from "./test_network.ts";

const dnsmasq = programPath("dnsmasq");
const ADDRESS = "127.9.8.7";
const TEXTS = Array.from({ length: 8 }, (_, i) => `${i}${"x".repeat(200)}`);

interface DnsBody {
  readonly process: ProcessJson;
  readonly socket: { readonly protocol: string; readonly dport: number };
  readonly dns: {
    readonly id: number;
    readonly role: string;
    readonly response?: boolean;
    readonly rcode?: string;
    readonly truncated?: boolean;
    readonly questions?: readonly { readonly name: string; readonly type: string }[];
    readonly answers?: readonly { readonly name: string; readonly data?: string }[];
    readonly duration_ns?: string;
  };
}

interface SocketBody {
  readonly process?: ProcessJson;
  readonly socket: { readonly daddr?: string; readonly dport?: number; readonly names?: string[] };
}

type NetworkJson = EventJson & {
  readonly process_dns?: DnsBody;
  readonly process_connect?: SocketBody;
  readonly flow?: SocketBody;
};

/** A name server for `test.`, at `port` of loopback. */
async function startDnsmasq(network: TestNetwork, port: number): Promise<NetworkProgram> {
  const server = network.start(dnsmasq!, [
    ...["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--no-poll"],
    ...["--user=root", "--pid-file=", "--log-facility=-", "--bind-interfaces"],
    ...[`--port=${port}`, "--listen-address=127.0.0.1", "--local=/test/", "--local-ttl=60"],
    ...[`--address=/web.test/${ADDRESS}`, `--txt-record=long.test,${TEXTS.join(",")}`],
  ]);
  await server.line(/started, version/);
  return server;
}

/** Messages that a process has sent and got about a name, in their order. */
function messagesOf(events: readonly EventJson[], pid: number, name: string): DnsBody[] {
  return (events as readonly NetworkJson[]).flatMap(({ process_dns: body }) =>
    body?.process.pid === pid && body.dns.questions?.[0]?.name === name ? [body] : []
  );
}

function isAnswer(pid: number, name: string, protocol = "UDP") {
  return ({ process_dns: body }: NetworkJson) =>
    body?.process.pid === pid && body.dns.questions?.[0]?.name === name &&
    body.dns.response === true && body.socket.protocol === `IPPROTO_${protocol}`;
}

Deno.test({
  name: "shrike run tells queries and answers of dnsmasq, and names peers by them",
  ignore: dnsmasq === undefined,
  async fn() {
    const args = ["--enable-dns-events", "--dns-port", "5300", "--enable-connection-events"];
    const { shrike, url } = await startWithMetrics(
      ...args,
      ...["--enable-flow-events", "--flow-interval", "1s"],
    );
    await using agent = shrike;
    await using network = await TestNetwork.make();
    await using _ = await startDnsmasq(network, 5300);
    const questions = ["web.test", "nothing.test", "long.test/TXT"];
    await using client = network.client(["resolve", 5300, ...questions]);
    const [web, nothing, long] = (await client.finish()).trimEnd().split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual([web, nothing], [[ADDRESS], "NotFound"]);
    assert.deepEqual(long.flat(), TEXTS);
    await agent.waitFor(isAnswer(client.pid, "long.test", "TCP"), "the answer over TCP");

    const [query, answer, ...more] = messagesOf(agent.events, client.pid, "web.test");
    assert.deepEqual(more, []);
    assert.equal(query!.dns.response, undefined);
    assert.equal(query!.dns.id, answer!.dns.id);
    for (const { dns, socket, process } of [query!, answer!]) {
      assert.deepEqual([dns.role, socket.dport, socket.protocol], ["client", 5300, "IPPROTO_UDP"]);
      assert.equal(process.binary, Deno.execPath());
      assert.deepEqual(dns.questions, [{ name: "web.test", type: "A" }]);
    }
    assert.equal(answer!.dns.rcode, "NOERROR");
    assert.deepEqual(answer!.dns.answers?.map(({ data }) => data), [ADDRESS]);
    const durationNs = Number(answer!.dns.duration_ns);
    assert.ok(durationNs > 0, `${durationNs}`);
    const [, denied] = messagesOf(agent.events, client.pid, "nothing.test");
    assert.deepEqual([denied!.dns.rcode, denied!.dns.answers], ["NXDOMAIN", undefined]);
    const texts = messagesOf(agent.events, client.pid, "long.test");
    assert.deepEqual(
      texts.map(({ socket, dns }) => [socket.protocol, dns.response, dns.truncated]),
      [
        ["IPPROTO_UDP", undefined, undefined],
        ["IPPROTO_UDP", true, true],
        ["IPPROTO_TCP", undefined, undefined],
        ["IPPROTO_TCP", true, undefined],
      ],
    );
    const whole = texts[3]!.dns.answers![0]!.data!;
    // Of texts 1,024 bytes are kept.
    for (const text of TEXTS.slice(0, 5)) assert.ok(whole.includes(text), whole);

    // Another process of the same workload: names are the workload's.
    await using server = network.client(["serve", ADDRESS, 7000]);
    await server.line(/^listening$/);
    await using peer = network.client(["connect", ADDRESS, 7000]);
    await peer.finish();
    await server.finish();
    for (const kind of ["process_connect", "flow"] as const) {
      const event = await agent.waitFor(
        (event) => (event as NetworkJson)[kind]?.socket.dport === 7000,
        `${kind} to the address`,
      ) as NetworkJson;
      const { process, socket } = event[kind]!;
      assert.deepEqual([process?.pid, socket.names], [peer.pid, ["web.test"]], kind);
      assert.equal(socket.daddr, ADDRESS);
    }
    const faults = valuesIn(await textOf(`${url}/metrics`), "shrike_network_dns_malformed_total");
    assert.ok(faults.every(({ value }) => value === 0));
  },
});

Deno.test({
  name: "shrike run counts what is no DNS at the port of dnsmasq, and goes on",
  ignore: dnsmasq === undefined,
  async fn() {
    const { shrike, url } = await startWithMetrics("--enable-dns-events");
    await using agent = shrike;
    await using network = await TestNetwork.make();
    await using _ = await startDnsmasq(network, 53);
    const header = "123401000001000000000000";
    const datagrams = [
      "01",
      // A pointer forward, a label that is cut, one of a kind that there is not.
      `${header}c0ff00010001`,
      `${header}3f6162`,
      `${header}4061`,
      "ff".repeat(300),
    ];
    await using sender = network.client(["datagrams", 53, ...datagrams]);
    await sender.finish();
    // What came later is told, so all before it was read.
    await using client = network.client(["pieces", 53, "web.test"]);
    const answer = await client.finish();
    assert.equal(answer, `${JSON.stringify(ADDRESS.split(".").map(Number))}\n`);
    await agent.waitFor(isAnswer(client.pid, "web.test", "TCP"), "the answer over TCP");
    const text = await textOf(`${url}/metrics`);
    const faults = new Map(
      valuesIn(text, "shrike_network_dns_malformed_total")
        .map(({ labels, value }) => [labels["reason"], value]),
    );
    for (const reason of ["short", "pointer", "ends_early", "label_type"]) {
      assert.ok(faults.get(reason)! >= 1, `${reason} ${JSON.stringify([...faults])}`);
    }
    const sum = [...faults.values()].reduce((a, b) => a + b, 0);
    // Both ends of each are read; dnsmasq sends some of it back.
    assert.ok(sum >= 2 * datagrams.length, `${sum}`);
    await answersWell(`${url}/healthz`);
    await agent.seeCanary();
  },
});

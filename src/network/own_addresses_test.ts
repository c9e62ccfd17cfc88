import assert from "node:assert/strict";
import { Counters } from "../telemetry/mod.ts";
import { HostAddressFiles, localIpv4, localIpv6, OwnAddresses } from "./own_addresses.ts";

const FIB_TRIE = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 172.17.0.0/16 2 0 2
        +-- 172.17.0.0/30 2 0 2
           |-- 172.17.0.0
              /16 link UNICAST
           |-- 172.17.0.2
              /32 host LOCAL
        |-- 172.17.255.255
           /32 link BROADCAST
Local:
  +-- 127.0.0.0/8 2 0 2
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 127.0.0.0
        /8 host LOCAL
`;
const IF_INET6 = `00000000000000000000000000000001 01 80 10 80       lo
fe800000000000000042acfffe110002 02 40 20 80     eth0
`;

function setUp(files: Readonly<Record<string, string>>, members: readonly [number, number][] = []) {
  const reads: string[] = [];
  const counters = new Counters();
  const addresses = new OwnAddresses({
    counters,
    members: () => members.map(([tgid, netNs]) => ({ tgid, netNs })),
    files: {
      read: (path) => {
        reads.push(path);
        return files[path];
      },
    },
  });
  return { addresses, reads, counters };
}

Deno.test("localIpv4() and localIpv6() read addresses out of the kernel's files", () => {
  assert.deepEqual([...localIpv4(FIB_TRIE)], ["172.17.0.2", "127.0.0.1"]);
  assert.deepEqual([...localIpv6(IF_INET6)], ["::1", "fe80::42:acff:fe11:2"]);
  assert.deepEqual([...localIpv4("nonsense\n/32 host LOCAL\n"), ...localIpv6("x\n\n")], []);
});

Deno.test("OwnAddresses looks at one process of each network namespace", () => {
  const other = FIB_TRIE.replaceAll("172.17.0.2", "10.1.1.1");
  const { addresses, reads } = setUp(
    { "/proc/self/net/fib_trie": FIB_TRIE, "/proc/50/net/fib_trie": other },
    [[50, 7], [51, 7], [52, 0]],
  );
  addresses.step(1n);
  assert.deepEqual(reads, [
    ...["/proc/self/net/fib_trie", "/proc/self/net/if_inet6"],
    ...["/proc/50/net/fib_trie", "/proc/50/net/if_inet6"],
  ]);
  for (const own of ["172.17.0.2", "10.1.1.1", "127.0.0.1"]) assert(addresses.has(own), own);
  assert(!addresses.has("172.17.255.255"));
});

Deno.test("OwnAddresses takes rounds in steps and forgets what is gone after a whole one", () => {
  const files: Record<string, string> = { "/proc/self/net/fib_trie": FIB_TRIE };
  const members = Array.from({ length: 20 }, (_, i): [number, number] => [100 + i, 1000 + i]);
  const { addresses, reads } = setUp(files, members);
  addresses.step(1n);
  assert.equal(reads.length, 16);
  assert(!addresses.has("172.17.0.2"), "a list that is half read is not gone by");
  for (let i = 0; i < 5; i++) addresses.step(2n);
  assert.equal(reads.length, 42, "a round ends with its last namespace");
  assert(addresses.has("172.17.0.2"));
  delete files["/proc/self/net/fib_trie"];
  for (let i = 0; i < 3; i++) addresses.step(40_000_000_000n);
  assert(!addresses.has("172.17.0.2"));
});

Deno.test("OwnAddresses bounds namespaces, and counts what it leaves out", () => {
  const members = Array.from({ length: 300 }, (_, i): [number, number] => [100 + i, 1000 + i]);
  const { addresses, reads, counters } = setUp({}, members);
  for (let i = 0; i < 100; i++) addresses.step(1n);
  assert.equal(reads.length, 2 * 256);
  assert.equal(counters.total("shrike_network_addresses_left_out_total"), 1);
});

Deno.test("HostAddressFiles reads this host's files up to a bound", () => {
  const files = new HostAddressFiles();
  assert(localIpv4(files.read("/proc/self/net/fib_trie", 1 << 18)!).has("127.0.0.1"));
  assert.equal(files.read("/proc/self/net/fib_trie", 10)?.length, 10);
  assert.equal(files.read("/proc/self/net/none", 10), undefined);
});

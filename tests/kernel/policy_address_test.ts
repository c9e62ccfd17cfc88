/** Addresses of AF_UNSPEC: what the kernel takes them for, at real sockets. */
import { deepStrictEqual } from "node:assert/strict";
import type { Test, ValuePart } from "../../src/policy/mod.ts";
import { argumentIs, makePolicy, network } from "../support/policy_factory.ts";
import { PolicyKernelBench } from "../support/policy_kernel_bench.ts";
import { kernelTest } from "../support/require_kernel.ts";
import type { CallArgument } from "../support/system_caller.ts";
import { buildWorkload } from "../support/workload.ts";

await buildWorkload();

kernelTest({
  name: "an address of AF_UNSPEC is what the socket takes it for",
  async run() {
    await using bench = await PolicyKernelBench.shared();
    await using caller = await bench.caller();
    const [AF_INET, AF_INET6, SOCK_DGRAM, SOCK_RAW, IPPROTO_RAW] = [2, 10, 2, 3, 255];
    const to = (call: string, position: number, name: string) => {
      const types = [{ index: position, type: "sockaddr" }] as const;
      const is = (part: ValuePart, test: Test) => argumentIs(0, test, { part });
      return makePolicy(name, {
        ...{ call, types },
        selectors: [
          { conditions: [is("destination_address", network("127.0.0.9", 32))] },
          { conditions: [is("destination_address", network("2001:db8::", 32))] },
        ],
      });
    };
    await bench.add(to("sendto", 4, "sends"), to("bind", 1, "binds"), to("connect", 1, "connects"));
    const given = socketAddress(0, 9, [127, 0, 0, 9]);
    const given6 = socketAddress(0, 9, [0, 0, 0, 0, 0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 1]);
    const selectorOf = async (call: string, args: CallArgument[]) => {
      const { hits } = await bench.during(caller, call, args);
      return bench.actsOf(hits).map(({ selector }) => selector);
    };
    const socket = (family: number, type: number, protocol = 0) =>
      caller.call("socket", [family, type, protocol]);
    const send = (fd: bigint, address: Uint8Array) =>
      selectorOf("sendto", [fd, "hello", 5, 0x40, address, 28]);
    const udp = await socket(AF_INET, SOCK_DGRAM);
    deepStrictEqual(await send(udp, given), [0], "UDP over IPv4 sends there");
    deepStrictEqual(await selectorOf("bind", [udp, given, 16]), [0]);
    deepStrictEqual(await selectorOf("connect", [udp, given, 16]), [], "it ends a connection");
    deepStrictEqual(await send(998n, given), [0], "what is not known counts as IPv4");
    const udp6 = await socket(AF_INET6, SOCK_DGRAM);
    if (udp6 < 0n) return;
    deepStrictEqual(await send(udp6, given), [], "UDP over IPv6 does not look at it");
    const raw = await socket(AF_INET6, SOCK_RAW, IPPROTO_RAW);
    if (raw < 0n) return;
    deepStrictEqual(await send(raw, given6), [1], "a raw socket of IPv6 sends there");
  },
});

/** `struct sockaddr_in` or `sockaddr_in6`; `rest` follows the port. */
function socketAddress(family: number, port: number, rest: readonly number[]): Uint8Array {
  return Uint8Array.of(family, 0, port >> 8, port & 0xff, ...rest, ...Array(12).fill(0));
}

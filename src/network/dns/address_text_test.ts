import assert from "node:assert/strict";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import { ipv4Text, ipv6Text } from "./address_text.ts";

Deno.test("ipv6Text() writes addresses as URLs do, which follow RFC 5952 too", () => {
  const random = SeededRandom.fromEnvironment("IPv6 addresses");
  for (let round = 0; round < 5_000; round++) {
    const bytes = new Uint8Array(20);
    // Zeros in many places, and groups that begin with zeros.
    for (let i = 2; i < 18; i++) bytes[i] = random.chance(0.6) ? 0 : random.below(256);
    bytes[2] = 0x20;
    const groups = Array.from({ length: 8 }, (_, i) => bytes[2 + 2 * i]! * 256 + bytes[3 + 2 * i]!);
    const { hostname } = new URL(`http://[${groups.map((each) => each.toString(16)).join(":")}]/`);
    assert.equal(`[${ipv6Text(bytes, 2)}]`, hostname);
  }
});

Deno.test("ipv6Text() writes addresses that are mapped into IPv6 as IPv4", () => {
  const bytes = new Uint8Array(16);
  bytes.set([0xff, 0xff, 10, 0, 0, 255], 10);
  assert.equal(ipv6Text(bytes, 0), "10.0.0.255");
  assert.equal(ipv4Text(bytes, 12), "10.0.0.255");
  bytes[0] = 1;
  assert.equal(ipv6Text(bytes, 0), "100::ffff:a00:ff");
  assert.equal(ipv6Text(new Uint8Array(16), 0), "::");
});

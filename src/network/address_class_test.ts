import assert from "node:assert/strict";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { type AddressRange, addressRange, ipv6Text, ipv6Words } from "./address_class.ts";

const CASES: Readonly<Record<AddressRange, readonly string[]>> = {
  loopback: ["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"],
  private: [
    ...["10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.1"],
    ...["100.64.0.0", "100.127.255.255", "fc00::", "fdff:ffff::1", "fec0::1"],
    ...["64:ff9b:1::1", "64:ff9b::10.0.0.1", "64:ff9b::a00:1", "::ffff:a00:1"],
  ],
  link_local: ["169.254.0.0", "169.254.255.255", "fe80::1", "febf:ffff::1"],
  multicast: ["224.0.0.1", "239.255.255.255", "255.255.255.255", "ff02::1", "ffff::"],
  unspecified: ["0.0.0.0", "0.1.2.3", "::", "", "x", "256.1.1.1", "1.2.3", ":::", "1:2", "12345::"],
  public: [
    ...["9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255"],
    ...["192.169.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0"],
    ...["169.253.255.255", "169.255.0.0", "223.255.255.255", "240.0.0.0", "1.0.0.0"],
    ...["2001:db8::1", "fbff::1", "fe00::1", "::2", "64:ff9b::8.8.8.8", "64:ff9b:2::1", "1:0:0::1"],
  ],
};

for (const [range, addresses] of Object.entries(CASES)) {
  Deno.test(`addressRange() knows ${range} addresses and their bounds`, () => {
    for (const address of addresses) assert.equal(addressRange(address), range, address);
  });
}

Deno.test("ipv6Text() writes as RFC 5952 says", () => {
  const cases = {
    "2001:db8:0:0:1:0:0:1": "2001:db8::1:0:0:1",
    "2001:DB8::0001": "2001:db8::1",
    "2001:db8:0:1:1:1:1:1": "2001:db8:0:1:1:1:1:1",
    "2001:0:0:1:0:0:0:1": "2001:0:0:1::1",
    "0:0:0:0:0:0:0:0": "::",
    "1:0:0:0:0:0:0:0": "1::",
    "::ffff:10.0.0.1": "10.0.0.1",
  };
  for (const [from, to] of Object.entries(cases)) assert.equal(ipv6Text(ipv6Words(from)!), to);
});

Deno.test("ipv6Words() reads what ipv6Text() writes", () => {
  const random = SeededRandom.fromEnvironment("ipv6 texts");
  for (let i = 0; i < 2_000; i++) {
    // Never IPv4-mapped: that is told as IPv4.
    const words = Array.from({ length: 8 }, () => random.chance(0.5) ? 0 : random.below(0xffff));
    assert.deepEqual(ipv6Words(ipv6Text(words)), words);
  }
});

import assert from "node:assert/strict";
import { addressRange, ipv6Text } from "../../network/address_class.ts";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import type { Network } from "../model.ts";
import { ADDRESS_CLASSES, networksOfClass } from "./address_classes.ts";
import { BadValue } from "./value_form.ts";

function networks(name: string): readonly Network[] {
  const found = networksOfClass(name);
  assert.ok(!(found instanceof BadValue));
  return found;
}

function isIn({ address, bits }: Network, other: Uint8Array): boolean {
  const digits = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(2).padStart(8, "0"));
  return digits(address).join("").slice(0, bits) === digits(other).join("").slice(0, bits);
}

function classOf(address: Uint8Array): string {
  const found = ADDRESS_CLASSES.filter((name) => networks(name).some((one) => isIn(one, address)));
  assert.equal(found.length, 1, `${address} is in ${found}`);
  return found[0]!;
}

function textOf(bytes: Uint8Array): string {
  const words = Array.from({ length: 8 }, (_, i) => bytes[2 * i]! << 8 | bytes[2 * i + 1]!);
  return ipv6Text(words);
}

Deno.test("networksOfClass() says of each address what events say of it", () => {
  const random = SeededRandom.fromEnvironment("address classes");
  const edges = ADDRESS_CLASSES.flatMap(networks).map(({ address }) => address);
  for (let i = 0; i < 6_000; i++) {
    const address = random.chance(0.7)
      ? Uint8Array.from(random.pick(edges as [Uint8Array, ...Uint8Array[]]))
      : Uint8Array.from({ length: 16 }, () => random.below(256));
    // Beside an edge: one less, one more, another bit.
    const at = random.below(16);
    address[at] = (address[at]! + random.pick([0, 0, 1, 255, 128])) & 255;
    assert.equal(classOf(address), addressRange(textOf(address)), textOf(address));
  }
});

Deno.test("networksOfClass() knows no class that changes with the host", () => {
  for (const name of ["same_host", "Public", ""]) {
    assert.ok(networksOfClass(name) instanceof BadValue, name);
  }
});

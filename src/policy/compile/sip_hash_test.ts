import assert from "node:assert/strict";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import { sipHash, type SipSecret } from "./sip_hash.ts";

const u64 = (value: bigint) => BigInt.asUintN(64, value);
const rotate = (value: bigint, by: bigint) => u64(value << by) | (value >> (64n - by));

/** SipHash-c-d word for word as its authors describe it. */
function slowSipHash(c: number, d: number, k0: bigint, k1: bigint, bytes: Uint8Array): bigint {
  let [v0, v1] = [k0 ^ 0x736f6d6570736575n, k1 ^ 0x646f72616e646f6dn];
  let [v2, v3] = [k0 ^ 0x6c7967656e657261n, k1 ^ 0x7465646279746573n];
  const round = () => {
    v0 = u64(v0 + v1), v1 = rotate(v1, 13n) ^ v0, v0 = rotate(v0, 32n);
    v2 = u64(v2 + v3), v3 = rotate(v3, 16n) ^ v2;
    v0 = u64(v0 + v3), v3 = rotate(v3, 21n) ^ v0;
    v2 = u64(v2 + v1), v1 = rotate(v1, 17n) ^ v2, v2 = rotate(v2, 32n);
  };
  const padded = new Uint8Array((Math.floor(bytes.length / 8) + 1) * 8);
  padded.set(bytes);
  padded[padded.length - 1] = bytes.length;
  const view = new DataView(padded.buffer);
  for (let at = 0; at < padded.length; at += 8) {
    const word = view.getBigUint64(at, true);
    v3 ^= word;
    for (let i = 0; i < c; i++) round();
    v0 ^= word;
  }
  v2 ^= 0xffn;
  for (let i = 0; i < d; i++) round();
  return v0 ^ v1 ^ v2 ^ v3;
}

Deno.test("sipHash() gives what the slow form gives, which gives the published vector", () => {
  const counting = Uint8Array.from({ length: 15 }, (_, i) => i);
  const published = slowSipHash(2, 4, 0x0706050403020100n, 0x0f0e0d0c0b0a0908n, counting);
  assert.equal(published, 0xa129ca6149be45e5n);

  const random = SeededRandom.fromEnvironment("sipHash");
  for (let size = 0; size < 600; size++) {
    const bytes = Uint8Array.from({ length: size }, () => random.below(256));
    const secret: SipSecret = [random.u32(), random.u32(), random.u32(), random.u32()];
    const [low, high] = sipHash(secret, bytes);
    const half = (at: number) => BigInt(secret[at]!);
    const [k0, k1] = [half(1) << 32n | half(0), half(3) << 32n | half(2)];
    const expected = slowSipHash(1, 3, k0, k1, bytes);
    assert.equal(BigInt(high) << 32n | BigInt(low), expected, `${size} bytes`);
  }
});

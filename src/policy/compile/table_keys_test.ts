import assert from "node:assert/strict";
import { TestNumber } from "./kernel_contract.ts";
import { sipHash, type SipSecret } from "./sip_hash.ts";
import { listedKey } from "./table_keys.ts";

const SECRET: SipSecret = [1, 2, 3, 4];
/** Of hook 2, dimension 1. */
const DIM = 33;

function key(test: number, digits: string): number[] {
  return [...listedKey(SECRET, test, DIM, digits)];
}

function padded(head: number[], size: number): number[] {
  return [...head, ...Array(size - head.length).fill(0)];
}

Deno.test("listedKey() lays keys out as policy.h does", () => {
  const number = [33, 0, 0, 0, 0, 0, 0, 0];
  assert.deepEqual(key(TestNumber.NUMBER, "258"), padded([...number, 2, 1], 16));
  assert.deepEqual(key(TestNumber.NUMBER, String(2n ** 64n - 1n)), [
    ...number,
    ...Array(8).fill(255),
  ]);
  assert.deepEqual(key(TestNumber.BITS, "63"), padded([...number, 63], 16));

  const text = listedKey(SECRET, TestNumber.TEXT, DIM, "\xff/a");
  const view = new DataView(text.buffer);
  const [low, high] = sipHash(SECRET, Uint8Array.of(255, 47, 97));
  assert.equal(text.length, 16);
  assert.deepEqual(
    [0, 4, 8, 12].map((at) => view.getUint32(at, true)),
    [DIM, 3, low, high],
  );

  const dim = [0, 0, 0, 33];
  assert.deepEqual(key(TestNumber.PREFIX, "/e"), padded([48, 0, 0, 0, ...dim, 47, 101], 260));
  assert.deepEqual(key(TestNumber.PREFIX, ""), padded([32, 0, 0, 0, ...dim], 260));
  assert.deepEqual(
    key(TestNumber.PREFIX, "x".repeat(252)).slice(0, 4),
    [(32 + 252 * 8) & 255, (32 + 252 * 8) >> 8, 0, 0],
  );
  // Digits of postfixes come from the last byte on.
  assert.deepEqual(key(TestNumber.POSTFIX, "hs"), padded([48, 0, 0, 0, ...dim, 104, 115], 132));
  assert.deepEqual(
    key(TestNumber.RANGE, "1".repeat(9)),
    padded([41, 0, 0, 0, ...dim, 255, 128], 16),
  );
  assert.deepEqual(key(TestNumber.NETWORK, "00000001"), padded([40, 0, 0, 0, ...dim, 1], 24));
  assert.equal(key(TestNumber.NETWORK, "1".repeat(128))[0], 160);
});

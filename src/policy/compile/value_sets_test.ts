import assert from "node:assert/strict";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import {
  bytesOfText,
  byteText,
  intersectPrefixes,
  intersectRanges,
  joinRanges,
  prefixesOfAddresses,
  prefixesOfNumbers,
  rangeOfNetwork,
  shortestPrefixes,
  subtractRanges,
} from "./value_sets.ts";

const LAST = 2n ** 64n - 1n;

Deno.test("prefixesOfNumbers() covers a range exactly, at the edges too", () => {
  assert.deepEqual(prefixesOfNumbers([{ first: 0n, last: LAST }]), [""]);
  assert.deepEqual(prefixesOfNumbers([{ first: 0n, last: 0n }]), ["0".repeat(64)]);
  assert.deepEqual(prefixesOfNumbers([{ first: LAST, last: LAST }]), ["1".repeat(64)]);
  assert.deepEqual(prefixesOfNumbers([{ first: 2n ** 63n, last: LAST }]), ["1"]);
  assert.deepEqual(prefixesOfNumbers([{ first: 5n, last: 4n }]), []);
  assert.equal(prefixesOfNumbers([{ first: 1n, last: LAST - 1n }]).length, 126);

  const random = SeededRandom.fromEnvironment("prefixesOfNumbers");
  for (let i = 0; i < 300; i++) {
    const [a, b] = [random.u64(), random.u64()];
    const range = a < b ? { first: a, last: b } : { first: b, last: a };
    // Each prefix as the range it stands for: in order, without holes, from first to last.
    let next = range.first;
    for (const prefix of prefixesOfNumbers([range])) {
      const free = BigInt(64 - prefix.length);
      assert.equal(BigInt(`0b0${prefix}`) << free, next);
      next += 1n << free;
    }
    assert.equal(next, range.last + 1n);
  }
});

Deno.test("rangeOfNetwork() leaves host bits aside", () => {
  const address = new Uint8Array(16).fill(0xff, 10);
  address.set([10, 1, 2, 3], 12);
  const network = { address, bits: 96 + 20 };
  assert.equal(prefixesOfAddresses([rangeOfNetwork(network)])[0]!.length, 116);
  assert.deepEqual(rangeOfNetwork({ address, bits: 0 }), { first: 0n, last: 2n ** 128n - 1n });
  const { first, last } = rangeOfNetwork(network);
  assert.deepEqual([first & 0xffffn, last & 0xffffn], [0x0000n, 0x0fffn]);
});

Deno.test("ranges are joined, intersected and subtracted like sets of their numbers", () => {
  const random = SeededRandom.fromEnvironment("ranges");
  const some = () =>
    Array.from({ length: random.below(4) }, () => {
      const [a, b] = [random.below(24), random.below(24)];
      return { first: BigInt(Math.min(a, b)), last: BigInt(Math.max(a, b)) };
    });
  const numbers = (ranges: { first: bigint; last: bigint }[]) =>
    Array.from({ length: 24 }, (_, i) => BigInt(i))
      .filter((i) => ranges.some(({ first, last }) => first <= i && i <= last));
  for (let i = 0; i < 2000; i++) {
    const [a, b] = [some(), some()];
    assert.deepEqual(numbers(joinRanges(a)), numbers(a));
    const [left, right] = [joinRanges(a), joinRanges(b)];
    for (let at = 1; at < left.length; at++) {
      assert.ok(left[at]!.first > left[at - 1]!.last + 1n);
    }
    const inBoth = numbers(a).filter((number) => numbers(b).includes(number));
    assert.deepEqual(numbers(intersectRanges([left, right])), inBoth);
    const inFirst = numbers(a).filter((number) => !numbers(b).includes(number));
    assert.deepEqual(numbers(subtractRanges(left, right)), inFirst);
  }
});

Deno.test("shortestPrefixes() and intersectPrefixes() keep what decides", () => {
  assert.deepEqual(shortestPrefixes(["/etc/x", "/etc", "/usr", "/etc", "/e"]), ["/e", "/usr"]);
  assert.deepEqual(shortestPrefixes(["a", ""]), [""]);
  assert.deepEqual(intersectPrefixes([["/etc", "/usr/bin"], ["/etc/x", "/usr", "/v"]]), [
    ...["/etc/x", "/usr/bin"],
  ]);
  assert.deepEqual(intersectPrefixes([["a"], ["b"]]), []);
});

Deno.test("byteText() and bytesOfText() keep every byte, of long texts too", () => {
  const all = Uint8Array.from({ length: 9000 }, (_, i) => i * 7);
  assert.deepEqual(bytesOfText(byteText(all)), all);
});

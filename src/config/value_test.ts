import assert from "node:assert/strict";
import { nearestWord, quote } from "../telemetry/mod.ts";
import { environmentName, OPTIONS } from "./options.ts";
import { choice, duration, integer, Rejected, size } from "./value.ts";

function reasonOf(value: unknown): string {
  assert.ok(value instanceof Rejected);
  return value.reason;
}

Deno.test("integer() takes whole numbers within its bounds only", () => {
  const type = integer({ min: 2, max: 64, powerOfTwo: true });
  assert.equal(type.parse("64"), 64);
  assert.equal(type.parse("2"), 2);
  assert.equal(reasonOf(type.parse("1")), '"1" is too small');
  assert.equal(reasonOf(type.parse("65")), '"65" is too big');
  assert.equal(reasonOf(type.parse("48")), '"48" is not a power of two');
  for (const text of ["", "1e1", "0x10", "4.0", " 4", "4 "]) {
    assert.match(reasonOf(type.parse(text)), /is not a whole number/, text);
  }
});

Deno.test("size() reads units as powers of 1024", () => {
  const type = size({ min: 1, max: 1024 ** 4 });
  assert.equal(type.parse("1.5K"), 1536);
  assert.equal(type.parse("3MiB"), 3 * 1024 ** 2);
  assert.equal(type.parse("2g"), 2 * 1024 ** 3);
  assert.equal(type.parse("17B"), 17);
  assert.match(reasonOf(type.parse("1.3K")), /whole number of bytes/);
  assert.match(reasonOf(type.parse("-1")), /is not a size/);
  assert.equal(type.format(4 * 1024 ** 2), "4M");
  assert.equal(type.format(1025), "1025");
});

Deno.test("duration() wants a unit", () => {
  const type = duration({ min: 1, max: 60_000 });
  assert.equal(type.parse("250ms"), 250);
  assert.equal(type.parse("0.5s"), 500);
  assert.equal(type.parse("1m"), 60_000);
  assert.match(reasonOf(type.parse("10")), /has no unit/);
  assert.match(reasonOf(type.parse("2m")), /is too big/);
  assert.match(reasonOf(type.parse("0.5ms")), /finer/);
  assert.match(reasonOf(type.parse("1 fortnight")), /not a time span/);
});

Deno.test("choice() suggests the nearest word", () => {
  const rejected = choice(["json", "compact", "table"]).parse("jsno");
  assert.ok(rejected instanceof Rejected);
  assert.equal(rejected.hint, "did you mean json? allowed: json, compact, table");
});

Deno.test("nearestWord() finds swaps and typos but makes nothing up", () => {
  const words = ["compact", "json", "table"];
  assert.equal(nearestWord("comapct", words), "compact");
  assert.equal(nearestWord("JSON", words), "json");
  assert.equal(nearestWord("yaml", words), undefined);
  assert.equal(nearestWord("x".repeat(1000), ["x".repeat(1000)]), undefined);
});

Deno.test("quote() shows no control character and cuts long text", () => {
  assert.equal(quote("a\x1b[31m\u202eb\u009b"), '"a\\u001b[31m\\u202eb\\u009b"');
  assert.equal(quote("x".repeat(100)), `"${"x".repeat(80)}..."`);
});

Deno.test("OPTIONS gives every key, variable and flag of a command one meaning", () => {
  const options = Object.values(OPTIONS);
  const keys = options.flatMap(({ key }) => key === undefined ? [] : [key]);
  assert.equal(new Set(keys).size, keys.length);
  const variables = options.filter(({ isFlagOnly }) => isFlagOnly !== true)
    .map(({ flag }) => environmentName(flag));
  assert.equal(new Set(variables).size, variables.length);
  for (const command of ["run", "ps", "version", "doctor", "install", "uninstall"] as const) {
    const flags = options.filter(({ commands }) => commands.includes(command))
      .flatMap(({ flag, short }) => short === undefined ? [flag] : [flag, short]);
    assert.equal(new Set(flags).size, flags.length, command);
  }
});

Deno.test("OPTIONS has defaults that its own types accept", () => {
  for (const [name, { type, initial }] of Object.entries(OPTIONS)) {
    if (initial === undefined || Array.isArray(initial)) continue;
    assert.equal(type.parse(type.format(initial)), initial, name);
  }
});

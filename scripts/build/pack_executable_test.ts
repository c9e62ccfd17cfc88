import assert from "node:assert/strict";
import { fnv1a64 } from "./pack_executable.ts";

Deno.test("fnv1a64() gives the published values", () => {
  // Test vectors of FNV-1a 64 by its authors.
  const encode = (text: string) => new TextEncoder().encode(text);
  assert.equal(fnv1a64(encode("")), 0xcbf29ce484222325n);
  assert.equal(fnv1a64(encode("a")), 0xaf63dc4c8601ec8cn);
  assert.equal(fnv1a64(encode("foobar")), 0x85944171f73967e8n);
});

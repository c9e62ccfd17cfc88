import assert from "node:assert/strict";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import { shortestName } from "./shortest_name.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const shortest = (name: string, directory: string) =>
  new TextDecoder().decode(shortestName(bytes(name), bytes(directory)));

Deno.test("shortestName() makes one of all spellings", () => {
  const spellings = [
    ["/tmp/a/km.sh", "/"],
    ["./km.sh", "/tmp/a"],
    ["km.sh", "/tmp/a"],
    ["a/km.sh", "/tmp"],
    ["/tmp//a/km.sh", "/x"],
    ["/tmp/./a/km.sh", "/x"],
    ["tmp/a/./km.sh", "/"],
    ["../a/km.sh", "/tmp/b"],
    ["/../tmp/b/../a//km.sh", "/x"],
  ] as const;
  for (const [name, directory] of spellings) {
    assert.equal(shortest(name, directory), "/tmp/a/km.sh", name);
  }
  assert.equal(shortest("/", "/x"), "/");
  assert.equal(shortest("..", "/x"), "/");
  assert.equal(shortest("/.../.a/a..", "/x"), "/.../.a/a..");
});

Deno.test("shortestName() says what URLs say of paths", () => {
  const random = SeededRandom.fromEnvironment("shortest names");
  for (let i = 0; i < 5_000; i++) {
    const part = () => random.pick(["a", "b.c", ".", "..", "", "...", ".d"]);
    const name = Array.from({ length: 1 + random.below(6) }, part).join("/") + "/e";
    // Of URLs ".." takes an empty part away, so those are left out first.
    const plain = name.replace(/\/+/g, "/").replace(/^\//, "");
    const url = new URL(`file:///x/y/${plain}`).pathname;
    assert.equal(shortest(plain, "/x/y"), url, name);
    assert.equal(shortest(`/x/y/${name}`, "/z"), url, name);
  }
});

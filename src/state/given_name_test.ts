import assert from "node:assert/strict";
import { readGivenName } from "./given_name.ts";

/** Starts a script by a name; it waits for its input to end. */
async function givenNameOf(name: string, cwd: string): Promise<string[]> {
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", 'exec "$0"', name],
    ...{ cwd, stdin: "piped", stdout: "piped" },
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  const found = readGivenName(child.pid);
  await child.stdin.close();
  await reader.cancel();
  await child.status;
  return [found?.name, found?.directory].map((bytes) => new TextDecoder().decode(bytes));
}

Deno.test("readGivenName() knows scripts by the name they were started by", async () => {
  const directory = Deno.makeTempDirSync();
  Deno.writeTextFileSync(`${directory}/script`, "#!/bin/sh\necho ready\nread x\n", { mode: 0o755 });
  assert.deepEqual(await givenNameOf(`${directory}/script`, "/"), [`${directory}/script`, "/"]);
  assert.deepEqual(await givenNameOf("./script", directory), ["./script", directory]);
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("readGivenName() knows nothing of what is not there or has no program", () => {
  assert.equal(readGivenName(2 ** 30), undefined);
  const folder = Deno.makeTempDirSync();
  for (const auxv of [new Uint8Array(0), new Uint8Array(16), new Uint8Array(33).fill(255)]) {
    Deno.writeFileSync(`${folder}/auxv`, auxv);
    assert.equal(readGivenName(1, folder), undefined);
  }
  Deno.removeSync(folder, { recursive: true });
});

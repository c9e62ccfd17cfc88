import assert from "node:assert/strict";
import { PolicyStore, type PolicyStoreError, type StoredPolicy } from "./agent_policy_store.ts";

class Situation implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "shrike-store-" });
  readonly directory = `${this.folder}/state/policies`;
  readonly store = new PolicyStore(this.directory);

  names(): string[] {
    return [...Deno.readDirSync(this.directory)].map(({ name }) => name).sort();
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

const POLICY: StoredPolicy = {
  ...{ key: "prod/keep secrets", file: "/x.yaml", text: "line\n\u0000\u2028 \ud83d\ude00" },
  ...{ mode: "monitor", isDisabled: true },
};
const TEMPLATE: StoredPolicy = { key: "template z", file: "t", text: "t", isDisabled: false };

Deno.test("PolicyStore keeps policies whole, for the owner alone, templates first", () => {
  using test = new Situation();
  assert.deepEqual(test.store.read(), { policies: [], failures: [] });
  test.store.write(POLICY);
  test.store.write(TEMPLATE);
  assert.deepEqual(test.store.read(), { policies: [TEMPLATE, POLICY], failures: [] });
  assert.deepEqual(test.store.find(POLICY.key), POLICY);
  assert.equal(Deno.statSync(test.directory).mode! & 0o777, 0o700);
  for (const name of test.names()) {
    assert.equal(Deno.statSync(`${test.directory}/${name}`).mode! & 0o777, 0o600);
  }
  test.store.write({ ...POLICY, text: "other" });
  assert.equal(test.store.find(POLICY.key)!.text, "other");
  assert.equal(test.store.remove(POLICY.key), true);
  assert.equal(test.store.remove(POLICY.key), false);
  assert.equal(test.store.find(POLICY.key), undefined);
});

Deno.test("PolicyStore.stage() keeps nothing until it is committed", () => {
  using test = new Situation();
  test.store.write({ ...TEMPLATE, text: "before" });
  {
    using _ = test.store.stage([TEMPLATE, POLICY]);
    assert.equal(test.names().length, 3);
  }
  assert.deepEqual(test.names(), ["template%20z.json"]);
  assert.equal(test.store.find("template z")!.text, "before");
  using staged = test.store.stage([TEMPLATE, POLICY]);
  staged.commit();
  assert.deepEqual(test.store.read().policies, [TEMPLATE, POLICY]);
});

Deno.test("PolicyStore.read() removes what a kill has left, and tells what it cannot believe", () => {
  using test = new Situation();
  test.store.write(TEMPLATE);
  const write = (name: string, text: string, mode = 0o600) => {
    Deno.writeTextFileSync(`${test.directory}/${name}`, text);
    Deno.chmodSync(`${test.directory}/${name}`, mode);
  };
  write("half.new", "{");
  write("a.json", "{");
  write("b.json", '{"key":"b","file":"f","text":"t","disabled":"no"}');
  write("c.json", '{"key":"c","file":"f","text":"t","disabled":false,"mode":"off"}');
  write("d.json", JSON.stringify(POLICY), 0o602);
  Deno.symlinkSync("template%20z.json", `${test.directory}/e.json`);
  const { policies, failures } = test.store.read();
  assert.deepEqual(policies, [TEMPLATE]);
  assert.deepEqual(
    failures.map(({ message }) => message.replace(/^.*: /, "")),
    [
      ...Array(3).fill("it was not written by this program"),
      "others may write to it",
      "it is a symbolic link",
    ],
  );
  assert.ok(!test.names().includes("half.new"));
});

Deno.test("PolicyStore refuses a directory that others may change, and one it cannot make", () => {
  using test = new Situation();
  test.store.write(TEMPLATE);
  Deno.chmodSync(test.directory, 0o777);
  assert.throws(() => test.store.write(POLICY), (error: PolicyStoreError) => {
    assert.match(error.message, /Cannot keep policies in ".*": .*others may write to it/);
    return error.hint.startsWith("chmod go-w");
  });
  assert.equal(test.store.read().failures.length, 1);
  Deno.chmodSync(test.directory, 0o700);
  assert.deepEqual(test.names(), ["template%20z.json"]);
  Deno.writeTextFileSync(`${test.folder}/file`, "");
  const other = new PolicyStore(`${test.folder}/file/policies`);
  assert.throws(() => other.write(POLICY), { name: "PolicyStoreError" });
});

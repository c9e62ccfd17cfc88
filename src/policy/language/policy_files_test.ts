import assert from "node:assert/strict";
import { documentText } from "../../../tests/support/policy_text.ts";
import { type PolicySources, readPolicyFiles, SYSTEM_POLICY_SOURCES } from "./policy_files.ts";

const HOOK = "lsmhooks: [{hook: file_open}]";

/** Files by path; folders have the names below them. */
function sourcesOf(files: Readonly<Record<string, string>>): PolicySources {
  return {
    listFolder: (path) => {
      const names = Object.keys(files).filter((file) => file.startsWith(`${path}/`))
        .map((file) => file.slice(path.length + 1));
      return names.length > 0 ? names : undefined;
    },
    readFile: (path) => {
      const text = files[path];
      if (text === undefined) throw Object.assign(new Error("gone"), { code: "ENOENT" });
      return new TextEncoder().encode(text);
    },
  };
}

Deno.test("readPolicyFiles() reads the policy files of a folder by name, with their places", () => {
  const named = (name: string) => documentText(HOOK, { metadata: `name: ${name}` });
  const { policies, files, problems } = readPolicyFiles(["d"], {
    sources: sourcesOf({
      "d/b.yaml": named("b"),
      "d/a.yml": named("a"),
      "d/c.json": JSON.stringify({
        apiVersion: "cilium.io/v1alpha1",
        kind: "TracingPolicy",
        metadata: { name: "c" },
        spec: { lsmhooks: [{ hook: "file_open" }] },
      }),
      "d/.d.yaml.swp": "no policy",
      "d/.e.yaml": "no policy",
      "d/README.md": "no policy",
      "d/f.yaml.bak": "no policy",
    }),
  });
  assert.deepEqual(problems, []);
  assert.deepEqual(policies.map(({ name, place }) => [name, place.file]), [
    ["a", "d/a.yml"],
    ["b", "d/b.yaml"],
    ["c", "d/c.json"],
  ]);
  assert.deepEqual(files.map(({ path }) => path), ["d/a.yml", "d/b.yaml", "d/c.json"]);
});

Deno.test("readPolicyFiles() tells names taken by two files, and files that cannot be read", () => {
  const { policies, problems } = readPolicyFiles(["a.yaml", "b.yaml", "gone.yaml"], {
    sources: sourcesOf({ "a.yaml": documentText(HOOK), "b.yaml": documentText(HOOK) }),
  });
  assert.equal(policies.length, 1);
  assert.deepEqual(problems.map(({ place, text }) => [place.file, text]), [
    ["gone.yaml", "there is no such file"],
    ["b.yaml", "the name p is taken at a.yaml:1:1"],
  ]);
});

Deno.test("readPolicyFiles() reads neither pipes nor files without end", () => {
  const folder = Deno.makeTempDirSync();
  try {
    const pipe = `${folder}/pipe.yaml`;
    assert(new Deno.Command("mkfifo", { args: [pipe] }).outputSync().success);
    Deno.truncateSync(create(`${folder}/big.yaml`), 2 ** 40);
    const { problems } = readPolicyFiles([folder, "/dev/zero"], { sources: SYSTEM_POLICY_SOURCES });
    assert.deepEqual(problems.map(({ place, text }) => [place.file, text]), [
      [`${folder}/big.yaml`, "it cannot be read: it has 1099511627776 bytes, 1048576 are allowed"],
      [pipe, "it cannot be read: it is not a regular file"],
      ["/dev/zero", "it cannot be read: it is not a regular file"],
    ]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

function create(path: string): string {
  Deno.writeTextFileSync(path, "");
  return path;
}

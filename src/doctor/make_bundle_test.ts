import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { gunzipSync } from "node:zlib";
import { FakeHost, INITIAL_NAMESPACES, mountLine } from "../../tests/support/fake_host.ts";
import { HostFiles } from "../cgroups/mod.ts";
import { BundleError, examineHost, makeBundle, writeBundle } from "./mod.ts";
import { configWithoutSecrets, withoutSecrets } from "./leave_out_secrets.ts";

const SECRET = "hunter2-Zq81";

const CONFIG = `# old password: ${SECRET}
output:
  format: json
  filters: ["args~--password=${SECRET}", "binary=/usr/bin/*"]
sink:
  url: https://user:${SECRET}@collector.example/path
  api_key: ${SECRET}
  headers: { Authorization: "Bearer ${SECRET}", plain: "Bearer ${SECRET}" }
  passwords: [${SECRET}, ${SECRET}]
  tls:
    private_key: |
      ${SECRET}
`;

function bundle(): Uint8Array {
  using host = new FakeHost({
    files: {
      "/proc/4242/mountinfo": mountLine("cgroup2", "/sys/fs/cgroup") +
        `99 1 0:50 / /mnt rw - cifs //server/x rw,password=${SECRET}\n`,
      "/proc/4242/cgroup": "0::/a\n",
      "/sys/fs/cgroup/a/cgroup.events": "populated 0\n",
      "/proc/4242/environ": `TOKEN=${SECRET}\0`,
      "/proc/1/environ": `TOKEN=${SECRET}\0`,
      "/proc/77/cmdline": `x\0--password=${SECRET}\0`,
      "/proc/77/comm": "x",
      "/boot/config-6.1": "CONFIG_BPF=y\n# CONFIG_BPF_LSM is not set\nCONFIG_USB=y\n",
    },
    links: { ...INITIAL_NAMESPACES, "/proc/77/fd/3": "anon_inode:bpf-prog" },
    cgroups: ["/sys/fs/cgroup/a", "/sys/fs/cgroup"],
  });
  const files = new HostFiles(host.root);
  const environment = { SHRIKE_LOG_LEVEL: SECRET, SHRIKE_TOKEN: SECRET, OTHER_TOKEN: SECRET };
  const text = `Cannot use "SHRIKE_LOG_LEVEL": "${SECRET}" is not known`;
  const examination = examineHost({
    ...{ files, environment, pid: 4242, nowMs: 1e12, subsystems: undefined },
    runtimes: {
      isAsked: true,
      endpoints: [{
        api: "docker",
        path: "/run/docker.sock",
        isWatching: false,
        error: { text: `proxy https://user:${SECRET}@host refused`, hint: "see its log" },
        lastError: `password=${SECRET}`,
      }],
      unused: [],
    },
    ...{ proof: undefined, release: "6.1", kernelVersion: [6, 1], architecture: "x86_64" },
    ...{
      features: [],
      cpuCount: 2,
      lockedMemory: null,
      openFiles: null,
      openFilesNeeded: 264,
      program: "shrike",
    },
    handles: { nameToHandle: () => ({ type: 0, bytes: new Uint8Array(8) }) },
    trial: { error: { message: "no", hint: "no" } },
  }, { path: "/etc/shrike/config.yaml", problems: [{ text, hint: "use one of error, warn" }] });
  return makeBundle({
    ...{ files, examination, environment, release: "6.1", configText: CONFIG, nowMs: 1e12 },
    versions: '{"version":"0.1.0"}\n',
  });
}

/** Texts by name, as tar(1) sees them. */
function unpack(bytes: Uint8Array): Map<string, string> {
  const run = (args: string[]) => {
    const { status, stdout, stderr } = spawnSync("tar", args, { input: bytes });
    assert.equal(status, 0, String(stderr));
    return String(stdout);
  };
  const names = run(["-tzf", "-"]).trimEnd().split("\n");
  return new Map(names.map((name) => [name, run(["-xzOf", "-", name])]));
}

Deno.test("makeBundle() writes what tar reads, with all parts", () => {
  const parts = unpack(bundle());
  assert.deepEqual([...parts.keys()].sort(), [
    "shrike-doctor/cgroups.txt",
    "shrike-doctor/config.yaml",
    "shrike-doctor/doctor.json",
    "shrike-doctor/doctor.txt",
    "shrike-doctor/environment_names.txt",
    "shrike-doctor/kernel_config.txt",
    "shrike-doctor/mounts.txt",
    "shrike-doctor/proc_cgroups.txt",
    "shrike-doctor/proc_self_cgroup.txt",
    "shrike-doctor/versions.json",
  ]);
  const text = (name: string) => parts.get(`shrike-doctor/${name}`)!;
  assert.equal(JSON.parse(text("doctor.json")).cgroups.mode, "unified");
  assert.equal(text("kernel_config.txt"), "CONFIG_BPF=y\n# CONFIG_BPF_LSM is not set\n");
  assert.match(text("cgroups.txt"), /^\d+ \d+ 1 empty "\/a"$/m);
  assert.match(text("mounts.txt"), / - cgroup2 /);
  assert.match(text("config.yaml"), /format: json/);
  assert.match(text("config.yaml"), /binary=\/usr\/bin\/\*/);
  assert.equal(text("environment_names.txt"), "SHRIKE_LOG_LEVEL\nSHRIKE_TOKEN\n");
});

Deno.test("makeBundle() leaves out secrets of config, environment, mounts and arguments", () => {
  const plain = new TextDecoder().decode(gunzipSync(bundle()));
  assert.ok(plain.includes("SHRIKE_LOG_LEVEL"));
  assert.ok(!plain.includes(SECRET));
});

Deno.test("configWithoutSecrets() leaves out what is no YAML, and does not expand bombs", () => {
  assert.ok(!configWithoutSecrets(`a: [${SECRET}`).includes(SECRET));
  const bomb = ["a: &a [x,x,x,x,x,x,x,x,x]"];
  for (const [name, before] of ["ba", "cb", "dc", "ed", "fe", "gf"]) {
    bomb.push(`${name}: &${name} [${Array(9).fill(`*${before}`).join()}]`);
  }
  assert.match(configWithoutSecrets(bomb.join("\n")), /left out/);
});

Deno.test("withoutSecrets() keeps what is none", () => {
  assert.equal(withoutSecrets("https://host/path?x=1"), "https://host/path?x=1");
  assert.equal(withoutSecrets("api-key: abc def"), "api-key: [left out] def");
});

Deno.test("writeBundle() makes a file of its owner's, and writes over none", () => {
  const folder = Deno.makeTempDirSync();
  try {
    const path = `${folder}/b.tar.gz`;
    writeBundle(path, new Uint8Array([1, 2]));
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    assert.throws(() => writeBundle(path, new Uint8Array(1)), BundleError);
    Deno.symlinkSync(`${folder}/target`, `${folder}/link`);
    assert.throws(() => writeBundle(`${folder}/link`, new Uint8Array(1)), BundleError);
    assert.throws(() => writeBundle(`${folder}/no/such`, new Uint8Array(1)), BundleError);
    assert.equal(Deno.readFileSync(path).length, 2);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

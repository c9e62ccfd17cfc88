/** What shrike doctor says of this host, and its exit codes. */
import assert from "node:assert/strict";
import { runShrike } from "./shrike_process.ts";

interface Finding {
  readonly topic: string;
  readonly name: string;
  readonly status: string;
  readonly text: string;
  readonly hint?: string;
}

interface Report {
  readonly verdict: string;
  readonly findings: readonly Finding[];
  readonly cgroups: { readonly tracked: { readonly hierarchy: number } | null };
}

const CODES: Readonly<Record<string, number>> = { ok: 0, warning: 1, problem: 2 };

async function doctor(...args: string[]): Promise<{ code: number; report: Report }> {
  const { code, stdout } = await runShrike(["doctor", "-o", "json", ...args]);
  return { code, report: JSON.parse(stdout) as Report };
}

Deno.test("shrike doctor proves its cgroup and says the worst status by its exit code", async () => {
  const { code, report } = await doctor();
  assert.equal(code, CODES[report.verdict]);
  assert.ok(report.cgroups.tracked !== null);
  const own = report.findings.find(({ name }) => name === "own id");
  assert.match(own?.text ?? "", /own cgroup has id \d+ in the kernel and in user space/);
  assert.deepEqual(report.findings.filter(({ status }) => status === "problem"), []);
  for (const { status, hint } of report.findings) assert.equal(hint === undefined, status === "ok");
});

Deno.test("shrike doctor tells a broken config as a problem and examines the rest", async () => {
  const path = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(path, "output:\n  formt: json\n");
    const { code, report } = await doctor("--config", path);
    assert.equal(code, 2);
    const problems = report.findings.filter(({ status }) => status === "problem");
    assert.deepEqual(problems.map(({ name }) => name), ["config"]);
    assert.match(problems[0]!.text, /formt/);
    assert.ok(report.findings.some(({ topic }) => topic === "kernel"));
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("shrike doctor writes its bundle once, readable by its owner only", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/bundle.tar.gz`;
    const first = await runShrike(["doctor", "--bundle", path]);
    assert.match(first.stdout, /problems, \d+ warnings/);
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    const second = await runShrike(["doctor", "--bundle", path]);
    assert.equal(second.code, 1);
    assert.match(second.stderr, /^shrike: Cannot write ".*": it exists\nhint: /m);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("shrike doctor and run call a user namespace what it is", async () => {
  const wrapper = ["unshare", "--user", "--map-root-user"];
  const report = await runShrike(["doctor"], { wrapper });
  assert.equal(report.code, 2);
  assert.match(report.stdout, /problem +user namespace/);
  const run = await runShrike(["run", "--duration", "100ms"], { wrapper });
  assert.equal(run.code, 3);
  assert.match(run.stderr, /does not permit it/);
});

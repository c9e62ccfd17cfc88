import { ok, strictEqual, throws } from "node:assert/strict";
import { join } from "node:path";
import { LoadError, type LoadObstacle } from "./load_error.ts";
import { checkSystem } from "./preflight.ts";

const ROOT = "Name:\tshrike\nCapEff:\t000001ffffffffff\n";

interface System {
  readonly status?: string;
  readonly lockdown?: string;
  readonly withBtf?: boolean;
}

/** Runs the check on files that say this. */
function check({ status = ROOT, lockdown, withBtf = true }: System): void {
  const directory = Deno.makeTempDirSync();
  try {
    const paths = {
      status: join(directory, "status"),
      lockdown: join(directory, "lockdown"),
      btf: join(directory, "btf"),
    };
    Deno.writeTextFileSync(paths.status, status);
    if (lockdown !== undefined) Deno.writeTextFileSync(paths.lockdown, lockdown);
    if (withBtf) Deno.writeTextFileSync(paths.btf, "");
    checkSystem(paths);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function obstacle(system: System): LoadError {
  try {
    check(system);
  } catch (error) {
    if (error instanceof LoadError) return error;
    throw error;
  }
  throw new Error("the check passed");
}

function assertObstacle(system: System, expected: LoadObstacle): LoadError {
  const error = obstacle(system);
  strictEqual(error.obstacle, expected);
  ok(error.hint !== "");
  return error;
}

Deno.test("checkSystem() passes for root on a kernel with BTF", () => {
  check({});
  check({ lockdown: "[none] integrity confidentiality\n" });
  check({ lockdown: "none [integrity] confidentiality\n" });
});

Deno.test("checkSystem() takes CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN, for root", () => {
  check({ status: "CapEff:\t000000c000000000\n" });
  check({ status: "CapEff:\t0000000000200000\n" });
});

Deno.test("checkSystem() names the capabilities that are missing", () => {
  const none = assertObstacle({ status: "CapEff:\t0000000000000000\n" }, "not_permitted");
  ok(none.message.includes("CAP_PERFMON and CAP_BPF"));
  strictEqual(none.errnoName, "EPERM");
  const one = assertObstacle({ status: "CapEff:\t0000008000000000\n" }, "not_permitted");
  ok(one.message.includes("CAP_PERFMON missing"));
});

Deno.test("checkSystem() refuses a kernel in lockdown confidentiality", () => {
  assertObstacle({ lockdown: "none integrity [confidentiality]\n" }, "lockdown");
});

Deno.test("checkSystem() refuses a kernel without BTF", () => {
  strictEqual(assertObstacle({ withBtf: false }, "not_supported").feature, "btf");
});

Deno.test("checkSystem() leaves it to the load when capabilities cannot be read", () => {
  check({ status: "Name:\tshrike\n" });
  throws(() => check({ status: "Name:\tshrike\n", withBtf: false }), LoadError);
});

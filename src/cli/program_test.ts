import assert from "node:assert/strict";
import type { Handlers } from "./handlers.ts";
import { ExitCode, runCli, type Terminal } from "./mod.ts";
import type { TypedSettings } from "./table_options.ts";
import { ClosedPipeError } from "./terminal.ts";

interface Call {
  readonly command: string;
  readonly typed?: TypedSettings;
  readonly shell?: string;
}

interface Outcome {
  readonly exitCode: ExitCode;
  readonly out: string;
  readonly error: string;
  readonly calls: readonly Call[];
}

async function type(
  line: string | readonly string[],
  { columns = 100, environment = {}, handlers = {} }: {
    columns?: number;
    environment?: Record<string, string>;
    handlers?: Partial<Handlers>;
  } = {},
): Promise<Outcome> {
  const calls: Call[] = [];
  let [out, error] = ["", ""];
  const terminal: Terminal = {
    environment,
    isStdoutTerminal: false,
    isStdinTerminal: false,
    isStderrTerminal: false,
    columns: () => columns,
    writeOut: (text) => void (out += text),
    checkOut: () => {},
    writeError: (text) => void (error += text),
    watchSignals: () => assert.fail("no command waits here"),
  };
  const record = (command: string) => (typed: TypedSettings) => {
    calls.push({ command, typed });
    return Promise.resolve(ExitCode.ok);
  };
  const args = typeof line === "string" ? line.split(" ").filter((word) => word !== "") : line;
  const exitCode = await runCli(args, terminal, {
    run: record("run"),
    ps: record("ps"),
    cgroups: record("cgroups"),
    workloads: record("workloads"),
    top: record("top"),
    policyFix: () => {
      calls.push({ command: "policy fix" });
      return Promise.resolve(ExitCode.ok);
    },
    policyCheck: () => {
      calls.push({ command: "policy check" });
      return Promise.resolve(ExitCode.ok);
    },
    policyList: record("policy list"),
    policyShow: (name, typed) => record(`policy show ${name}`)(typed),
    policyAdd: (paths, typed) => record(`policy add ${paths}`)(typed),
    policyPlan: (paths, typed) => record(`policy plan ${paths}`)(typed),
    policyChange: (changes, typed) => record(`policy change ${JSON.stringify(changes)}`)(typed),
    version: record("version"),
    doctor: record("doctor"),
    install: record("install"),
    uninstall: record("uninstall"),
    completion: (shell) => {
      calls.push({ command: "completion", shell });
      return Promise.resolve(ExitCode.ok);
    },
    ...handlers,
  });
  return { exitCode, out, error, calls };
}

Deno.test("runCli() hands typed flags to the command as texts", async () => {
  const { calls, exitCode } = await type(
    "run -o json --filter uid=0 -f event=exec --max-events 5 --enable-process-ns -c /x.yaml",
  );
  assert.equal(exitCode, ExitCode.ok);
  assert.equal(calls.length, 1);
  assert.equal(calls[0]!.typed!.configPath, "/x.yaml");
  assert.deepEqual(
    Object.fromEntries(calls[0]!.typed!.flags),
    {
      format: ["json"],
      filters: ["uid=0", "event=exec"],
      maxEvents: ["5"],
      withNamespaces: ["true"],
    },
  );
});

Deno.test("runCli() takes a written-out switch", async () => {
  const { calls } = await type("run --existing=false --enable-ancestors false --pid 4");
  assert.deepEqual(Object.fromEntries(calls[0]!.typed!.flags), {
    showExisting: ["false"],
    withAncestors: ["false"],
    pid: ["4"],
  });
});

Deno.test("runCli() takes kinds and sockets as often as they are typed", async () => {
  const { calls } = await type(
    "workloads --kind pod --kind host --runtime-socket cri:/a --runtime-socket docker:/b --empty",
  );
  assert.equal(calls[0]!.command, "workloads");
  assert.deepEqual(Object.fromEntries(calls[0]!.typed!.flags), {
    kinds: ["pod", "host"],
    runtimeSockets: ["cri:/a", "docker:/b"],
    withEmpty: ["true"],
  });
});

Deno.test("runCli() hands names, files and flags to the commands of policies", async () => {
  const cases: [string, string, Record<string, string[]>][] = [
    ["policy list -o json --color never", "policy list", {
      policyFormat: ["json"],
      color: ["never"],
    }],
    ["policy show a --control-socket /x", "policy show a", { controlSocket: ["/x"] }],
    ["policy add --persist a.yaml -", "policy add a.yaml,-", { persists: ["true"] }],
    ["policy add --mode monitor --replace - -o json", "policy add -", {
      policyFormat: ["json"],
      policyMode: ["monitor"],
      replaces: ["true"],
    }],
    ["policy plan a b", "policy plan a,b", {}],
    [
      "policy delete a b",
      'policy change [{"kind":"delete","name":"a"},{"kind":"delete","name":"b"}]',
      {},
    ],
    ["policy enable a", 'policy change [{"kind":"enable","name":"a"}]', {}],
    ["policy disable a", 'policy change [{"kind":"disable","name":"a"}]', {}],
    [
      "policy set-mode a monitor",
      'policy change [{"kind":"set-mode","name":"a","mode":"monitor"}]',
      {},
    ],
  ];
  for (const [line, command, flags] of cases) {
    const { calls, exitCode, error } = await type(line);
    assert.equal(exitCode, ExitCode.ok, `${line}: ${error}`);
    assert.deepEqual(calls.map((call) => call.command), [command]);
    assert.deepEqual(Object.fromEntries(calls[0]!.typed!.flags), flags, line);
  }
});

Deno.test("runCli() suggests the nearest command, option and shell", async () => {
  const cases = [
    ["rnu", 'unknown command "rnu"', "did you mean run?"],
    ["run --colr never", 'unknown option "--colr"', "did you mean --color?"],
    ["completion bsh", 'Cannot complete for "bsh"', "did you mean bash?"],
    ["run --pid", 'option "-p, --pid <n>" argument missing', "see shrike run --help"],
    ["ps extra", 'too many arguments for "ps"', "see shrike ps --help"],
    ["workloads --knd pod", 'unknown option "--knd"', "did you mean --kind?"],
    ["cgroups extra", 'too many arguments for "cgroups"', "see shrike cgroups --help"],
    ["policy lst", 'unknown command "lst"', "did you mean list?"],
    ["policy set-mode a mnitor", 'Cannot set the mode "mnitor"', "did you mean monitor?"],
    ["policy delete", 'missing required argument "name"', "see shrike policy --help"],
    ["completion", 'missing required argument "shell"', "see shrike completion --help"],
  ] as const;
  for (const [line, text, hint] of cases) {
    const { exitCode, error, calls } = await type(line);
    assert.equal(exitCode, ExitCode.usage, line);
    assert.deepEqual(calls, []);
    const lines = error.trimEnd().split("\n");
    assert.equal(lines.length, 2, error);
    assert.ok(lines[0]!.startsWith("shrike: Cannot ") && lines[0]!.includes(text), error);
    assert.ok(lines[1]!.startsWith("hint: ") && lines[1]!.includes(hint), error);
  }
});

Deno.test("runCli() shows the help and fails when no command is given", async () => {
  const { exitCode, out, error } = await type("");
  assert.equal(exitCode, ExitCode.usage);
  assert.equal(out, "");
  assert.match(error, /Usage: shrike/);
  assert.match(error, /shrike: Cannot read the command line: no command is given\n/);
});

Deno.test("runCli() helps on every command, within the terminal's width", async () => {
  const policy = ["list", "show", "add", "plan", "delete", "enable", "disable", "set-mode", "check"]
    .map((name) => `policy ${name} -h`);
  const commands = ["cgroups -h", "workloads -h", "version -h", "completion -h", ...policy];
  for (const line of ["--help", "help run", "run --help", "ps -h", ...commands]) {
    for (const columns of [60, 140]) {
      const { exitCode, out, error, calls } = await type(line, { columns });
      assert.equal(exitCode, ExitCode.ok, line);
      assert.equal(error, "");
      assert.deepEqual(calls, []);
      assert.match(out, /Examples:\n/, line);
      const options = out.slice(0, out.indexOf("Examples:")).split("\n");
      // A term that is longer than the column stands alone and cannot be wrapped.
      const wide = options.filter((row) => row.length > columns && !/^ {2}-\S/.test(row));
      assert.deepEqual(wide, [], line);
    }
  }
});

Deno.test("runCli() names all exit codes in the help", async () => {
  const { out } = await type("--help");
  for (const code of Object.values(ExitCode)) assert.match(out, new RegExp(`^  ${code} +\\S`, "m"));
});

Deno.test("runCli() returns the handler's exit code", async () => {
  const { exitCode } = await type("ps", {
    handlers: { ps: () => Promise.resolve(ExitCode.notPermitted) },
  });
  assert.equal(exitCode, ExitCode.notPermitted);
});

Deno.test("runCli() ends quietly when the reader has gone", async () => {
  const { exitCode, error } = await type("ps", {
    handlers: { ps: () => Promise.reject(new ClosedPipeError("Closed pipe")) },
  });
  assert.equal(exitCode, ExitCode.ok);
  assert.equal(error, "");
});

Deno.test("runCli() tells a failure in one line with its hint, with a trace if asked", async () => {
  class RoomError extends Error {
    readonly hint = "run as root";
    readonly errnoName = "EPERM";
  }
  const handlers = {
    run: () => Promise.reject(new RoomError('Cannot load "process": not permitted\nlog line')),
  };
  const quiet = await type("run", { handlers });
  assert.equal(quiet.exitCode, ExitCode.notPermitted);
  assert.equal(quiet.error, 'shrike: Cannot load "process": not permitted\nhint: run as root\n');
  for (
    const loud of [
      await type("run", { handlers, environment: { SHRIKE_DEBUG: "1" } }),
      await type("run --log-level debug", { handlers }),
      await type("run --log-level=debug", { handlers }),
    ]
  ) {
    assert.match(loud.error, /log line\n {4}at .*program_test/s);
  }
});

Deno.test("runCli() says how to get the trace of an unexpected failure", async () => {
  const { exitCode, error } = await type("run", {
    handlers: { run: () => Promise.reject(new TypeError("x is \x1b[2J undefined")) },
  });
  assert.equal(exitCode, ExitCode.failure);
  assert.match(
    error,
    /^shrike: Cannot go on: x is \\x1b\[2J undefined\nhint: .*SHRIKE_DEBUG=1.*\n$/,
  );
});

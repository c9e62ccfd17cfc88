import assert from "node:assert/strict";
import { ConfigError, loadConfig, type OptionName, type Problem, Rejected } from "./mod.ts";
import type { ConfigSources } from "./mod.ts";

function missing(): never {
  throw Object.assign(new Error("no such file"), { code: "ENOENT" });
}

function sources(
  { file, flags = {}, ...rest }:
    & { file?: string; flags?: Partial<Record<OptionName, string[]>> }
    & Partial<Omit<ConfigSources, "flags">>,
): ConfigSources {
  return {
    flags: new Map(Object.entries(flags)) as ConfigSources["flags"],
    environment: {},
    readFile: () => file === undefined ? missing() : new TextEncoder().encode(file),
    ...rest,
  };
}

function problemsOf(input: Parameters<typeof sources>[0]): readonly Problem[] {
  try {
    loadConfig(sources(input));
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
  assert.fail("the config was accepted");
}

Deno.test("loadConfig() gives defaults, frozen, when nothing is set", () => {
  const { config, warnings, path } = loadConfig(sources({}));
  assert.equal(config.ringPages, 256);
  assert.equal(config.format, undefined);
  assert.deepEqual(config.filters, []);
  assert.equal(path, undefined);
  assert.deepEqual(warnings, []);
  assert.ok(Object.isFrozen(config) && Object.isFrozen(config.filters));
});

Deno.test("loadConfig() lets flags win over the environment and that over the file", () => {
  const file = "capture:\n  ring_pages: 64\n  workers: 2\nprocess:\n  namespaces: true\n";
  const { config } = loadConfig(sources({
    file,
    environment: { SHRIKE_RING_PAGES: "256", SHRIKE_WORKERS: "3" },
    flags: { ringPages: ["512"] },
  }));
  assert.equal(config.ringPages, 512);
  assert.equal(config.workers, 3);
  assert.equal(config.withNamespaces, true);
});

Deno.test("loadConfig() lets a flag switch off what the file switches on", () => {
  const file = "process: { namespaces: true }";
  const { config } = loadConfig(sources({ file, flags: { withNamespaces: ["false"] } }));
  assert.equal(config.withNamespaces, false);
});

Deno.test("loadConfig() reads sizes, times and lists the same from every source", () => {
  const file = "capture: { hold_back: 50ms, shared_ring_size: 8MiB }\n" +
    "output:\n  filters:\n    - uid=0\n    - binary=/usr/bin/*\n";
  const fromFile = loadConfig(sources({ file })).config;
  const fromEnvironment = loadConfig(sources({
    environment: {
      SHRIKE_HOLD_BACK: "0.05s",
      SHRIKE_SHARED_RING_SIZE: "8388608",
      SHRIKE_FILTER: "uid=0\nbinary=/usr/bin/*\n",
    },
  })).config;
  assert.equal(fromFile.holdBackMs, 50);
  assert.equal(fromFile.sharedRingSize, 8 * 1024 * 1024);
  assert.deepEqual(fromFile.filters, ["uid=0", "binary=/usr/bin/*"]);
  assert.deepEqual(fromFile, fromEnvironment);
});

Deno.test("loadConfig() takes an empty variable as unset", () => {
  assert.equal(
    loadConfig(sources({ environment: { SHRIKE_WORKERS: "" } })).config.workers,
    undefined,
  );
});

Deno.test("loadConfig() names file, line and column, the value and what is allowed", () => {
  const [problem, ...more] = problemsOf({
    file: "# comment\ncapture:\n  ring_pages: many\n",
    path: "/tmp/x.yaml",
  });
  assert.deepEqual(more, []);
  assert.equal(problem!.place, "/tmp/x.yaml:3:15");
  assert.equal(problem!.reason, 'capture.ring_pages "many" is not a whole number');
  assert.equal(problem!.hint, "use a power of two from 32 to 65536");
});

Deno.test("loadConfig() suggests the nearest section, key and word", () => {
  const problems = problemsOf({
    file: "captur:\n  x: 1\noutput:\n  formt: json\n  color: alwys\nprocess:\n  ring_pages: 64\n",
  });
  assert.deepEqual(problems.map(({ place }) => place.slice(place.indexOf(":"))), [
    ":1:1",
    ":4:3",
    ":7:3",
    ":5:10",
  ]);
  assert.match(problems[0]!.hint, /^did you mean capture\?/);
  assert.match(problems[1]!.hint, /^did you mean format\?/);
  assert.equal(problems[2]!.hint, "did you mean capture.ring_pages?");
  assert.match(problems[3]!.hint, /^did you mean always\?/);
});

Deno.test("loadConfig() reports mistakes of all sources at once, hidden ones too", () => {
  const places = problemsOf({
    file: "capture: { ring_pages: 33 }",
    environment: { SHRIKE_RING_PAGES: "0" },
    flags: { ringPages: ["64"], durationMs: ["10"] },
  }).map(({ place }) => place);
  assert.deepEqual(places.toSorted(), [
    "--duration",
    "/etc/shrike/config.yaml:1:24",
    "SHRIKE_RING_PAGES",
  ]);
});

Deno.test("loadConfig() refuses YAML that is broken, doubled or of the wrong shape", () => {
  const cases: [string, string, RegExp][] = [
    ["capture:\n  workers: [1\n", ":3:1", /./],
    ["capture:\n  workers: 1\n  workers: 2\n", ":3:3", /unique/],
    ["- capture\n", ":1:1", /does not hold sections/],
    ["capture: 3\n", ":1:10", /section "capture" does not hold keys/],
    ["capture:\n  workers: [1]\n", ":2:12", /capture.workers has a list/],
    ["capture:\n  workers:\n", ":2:11", /has no value/],
    ["output:\n  filters: [{a: 1}]\n", ":2:13", /output.filters has keys/],
  ];
  for (const [file, place, reason] of cases) {
    const [problem] = problemsOf({ file });
    assert.equal(problem!.place, `/etc/shrike/config.yaml${place}`, file);
    assert.match(problem!.reason, reason);
  }
});

Deno.test("loadConfig() accepts an empty file, empty sections and aliases", () => {
  assert.equal(loadConfig(sources({ file: "" })).config.ringPages, 256);
  assert.equal(loadConfig(sources({ file: "capture:\n" })).config.ringPages, 256);
  const file = "capture: { workers: &n 2, ring_pages: 64 }\nprocess: { cache_entries: *n }";
  assert.match(problemsOf({ file })[0]!.reason, /^process.cache_entries "2" is too small/);
});

Deno.test("loadConfig() misses a named file but not the default one", () => {
  assert.equal(problemsOf({ path: "/nope.yaml" })[0]!.reason, "no such file");
  assert.equal(
    problemsOf({ environment: { SHRIKE_CONFIG: "/nope.yaml" } })[0]!.place,
    "/nope.yaml",
  );
});

Deno.test("loadConfig() refuses files that are unreadable, too big or not UTF-8", () => {
  const readFile = (bytes: Uint8Array | Error) => () => {
    if (bytes instanceof Error) throw bytes;
    return bytes;
  };
  const denied = Object.assign(new Error("Permission denied"), { code: "EACCES" });
  assert.match(problemsOf({ readFile: readFile(denied) })[0]!.reason, /Permission denied/);
  assert.match(
    problemsOf({ readFile: readFile(new Uint8Array(1024 * 1024 + 1)) })[0]!.reason,
    /^it has 1048577 bytes/,
  );
  assert.equal(
    problemsOf({ readFile: readFile(Uint8Array.of(0xff)) })[0]!.reason,
    "it is not UTF-8",
  );
});

Deno.test("loadConfig() puts what another room refuses at the value's place", () => {
  const [problem] = problemsOf({
    file: "output:\n  filters:\n    - uid=0\n    - nope=1\n",
    checks: {
      filters: (text) =>
        text.startsWith("nope") ? new Rejected(`"nope" is not a field`, "use uid") : undefined,
    },
  });
  assert.equal(problem!.place, "/etc/shrike/config.yaml:4:7");
  assert.equal(problem!.reason, 'output.filters "nope" is not a field');
});

Deno.test("loadConfig() warns of unknown variables but not of the launcher's", () => {
  const { warnings } = loadConfig(sources({
    environment: { SHRIKE_WORKER: "2", SHRIKE__EXE: "/x", SHRIKE_DEBUG: "1", HOME: "/" },
  }));
  assert.deepEqual(warnings.map(({ place, hint }) => [place, hint]), [
    ["SHRIKE_WORKER", "did you mean SHRIKE_WORKERS?"],
  ]);
});

Deno.test("loadConfig() takes ports of name servers that are ports, at most eight", () => {
  const ports = Array.from({ length: 8 }, (_, i) => `${53 + i}`);
  const { config } = loadConfig(sources({ flags: { dnsPorts: ports } }));
  assert.deepEqual(config.dnsPorts, ports.map(Number));
  for (const wrong of ["0", "65536", "dns"]) {
    const [problem, ...more] = problemsOf({ flags: { dnsPorts: ["53", wrong] } });
    assert.deepEqual([problem?.place, more], ["--dns-port", []]);
    assert.equal(problem!.hint, "use a whole number from 1 to 65535");
  }
  const many = JSON.stringify([...ports, "5353"]);
  const [problem] = problemsOf({ file: `network:\n  dns_ports: ${many}\n` });
  assert.match(problem!.place, /:2:\d+$/);
  assert.equal(problem!.reason, "network.dns_ports 9 values are given");
  assert.equal(problem!.hint, "give at most 8");
});

import { deepStrictEqual, equal, ok } from "node:assert/strict";
import type { RuntimeApi } from "../workloads/mod.ts";
import { RUNTIME_APIS, runtimeSocket } from "./runtime_socket.ts";
import { Rejected } from "./value.ts";

const { parse, format } = runtimeSocket();

function rejected(text: string): Rejected {
  const value = parse(text);
  ok(value instanceof Rejected, text);
  return value;
}

Deno.test("runtimeSocket() reads API and path, and writes them alike", () => {
  for (const api of RUNTIME_APIS) {
    const value = parse(`${api}:/run/a:b.sock`);
    ok(!(value instanceof Rejected));
    deepStrictEqual(value, { api, path: "/run/a:b.sock" });
    equal(format(value), `${api}:/run/a:b.sock`);
  }
});

Deno.test("runtimeSocket() knows the APIs that the workloads know", () => {
  const all: Record<RuntimeApi, true> = {
    cri: true,
    containerd: true,
    docker: true,
    podman: true,
    systemd: true,
  };
  deepStrictEqual([...RUNTIME_APIS].sort(), Object.keys(all).sort());
});

Deno.test("runtimeSocket() says what is wrong and which API was meant", () => {
  const misspelt = rejected("dokcer:/run/docker.sock");
  equal(misspelt.reason, '"dokcer:/run/docker.sock" has an unknown API "dokcer"');
  ok(misspelt.hint.startsWith("did you mean docker? "));
  ok(rejected("/run/docker.sock").reason.endsWith("names no API"));
  ok(rejected("/run/a:b.sock").reason.endsWith("names no API"));
  ok(rejected(":/run/docker.sock").reason.endsWith("names no API"));
  ok(rejected("docker:run/docker.sock").reason.endsWith("has no absolute path"));
  ok(rejected("cri:unix:///run/x.sock").reason.endsWith("has no absolute path"));
  ok(rejected(`cri:/${"x".repeat(107)}`).reason.endsWith("longer than a socket's"));
  ok(!(parse(`cri:/${"x".repeat(106)}`) instanceof Rejected));
});

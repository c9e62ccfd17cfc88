import { deepStrictEqual, equal, ok } from "node:assert/strict";
import { metricsAddress } from "./metrics_address.ts";
import { Rejected } from "./value.ts";

const { parse, format } = metricsAddress();

Deno.test("metricsAddress() reads each form and writes it alike", () => {
  const forms = {
    "127.0.0.1:9464": { kind: "tcp", host: "127.0.0.1", port: 9464 },
    "node-1.example:65535": { kind: "tcp", host: "node-1.example", port: 65535 },
    "[::1]:1": { kind: "tcp", host: "::1", port: 1 },
    "[fe80::1%eth0]:9464": { kind: "tcp", host: "fe80::1%eth0", port: 9464 },
    "unix:/run/a:b.sock": { kind: "unix", path: "/run/a:b.sock" },
    "off": { kind: "off" },
  } as const;
  for (const [text, expected] of Object.entries(forms)) {
    const value = parse(text);
    ok(!(value instanceof Rejected), text);
    deepStrictEqual(value, expected);
    equal(format(value), text);
  }
});

Deno.test("metricsAddress() names what is wrong with the value", () => {
  const wrong: Record<string, RegExp> = {
    "9464": /"9464" is no address to listen at/,
    "localhost": /no address to listen at/,
    ":9464": /names no host/,
    "127.0.0.1:0": /port beyond 1 to 65535/,
    "127.0.0.1:65536": /port beyond/,
    "127.0.0.1:http": /no address/,
    "127.1:9464": /unusable host "127.1"/,
    "a b:9464": /unusable host/,
    "-a:9464": /unusable host/,
    "::1:9464": /no address/,
    "[::g]:9464": /no IPv6 address in its brackets/,
    "[127.0.0.1]:9464": /no IPv6 address/,
    "http://localhost:9464": /no address/,
    "unix:run/x.sock": /no absolute path/,
    "unix:/run/": /no absolute path/,
    "unix:": /no absolute path/,
    [`unix:/${"x".repeat(107)}`]: /longer than a socket's/,
  };
  for (const [text, reason] of Object.entries(wrong)) {
    const value = parse(text);
    ok(value instanceof Rejected, text);
    ok(reason.test(value.reason), value.reason);
    ok(value.hint.length > 0);
  }
  const bare = parse("::1");
  ok(bare instanceof Rejected && bare.hint.includes("in brackets"));
});

Deno.test("metricsAddress() ends with a value or a reason whatever it is given", () => {
  const characters = "[]:0./u\0é\u{1f600}";
  for (let i = 0; i < 20_000; i++) {
    const text = Array.from(
      { length: i % 9 },
      (_, at) => [...characters][(i * 7919 + at * 104_729 + (i >> (at + 2))) % 10]!,
    ).join("");
    const value = parse(text);
    ok(value instanceof Rejected || format(value) !== "");
  }
});

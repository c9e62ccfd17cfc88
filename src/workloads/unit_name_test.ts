import { deepStrictEqual, equal } from "node:assert/strict";
import { parseUnitName, unescapeUnitText } from "./unit_name.ts";

Deno.test("parseUnitName() takes a template's instance apart", () => {
  deepStrictEqual(parseUnitName("backup@srv\\x2ddata.service"), {
    name: "backup@srv\\x2ddata.service",
    type: "service",
    template: "backup@.service",
    instance: "srv-data",
  });
  deepStrictEqual(parseUnitName("odd@.service"), { name: "odd@.service", type: "service" });
  equal(parseUnitName("a@b@c.service")?.instance, "b@c");
});

Deno.test("parseUnitName() takes off the underscore systemd put before reserved names", () => {
  equal(parseUnitName("_memory.service")?.name, "memory.service");
  equal(parseUnitName("__net.service")?.name, "_net.service");
});

Deno.test("parseUnitName() refuses what is no unit", () => {
  const names = ["", ".service", "web", "web.timer", "we b.service", "service", "a/b.service"];
  for (const name of [...names, `${"x".repeat(248)}.service`]) {
    equal(parseUnitName(name), undefined, name);
  }
  equal(parseUnitName(`${"x".repeat(247)}.service`)?.type, "service");
});

Deno.test("unescapeUnitText() decodes UTF-8 and leaves the rest", () => {
  equal(unescapeUnitText("caf\\xc3\\xa9"), "café");
  equal(unescapeUnitText("\\xc3-\\x2"), "\\xc3-\\x2");
  equal(unescapeUnitText("plain"), "plain");
});

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { FieldKind, parseTracepointFormat, Tracefs } from "./tracepoint_format.ts";

const FORMAT = `name: sample
ID: 318
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;
\tfield:__rel_loc char[] other;\toffset:12;\tsize:4;\tsigned:0;
\tfield:char comm[16];\toffset:16;\tsize:16;\tsigned:0;
\tfield:const char * path;\toffset:32;\tsize:8;\tsigned:0;
\tfield:struct thing odd;\toffset:40;\tsize:12;\tsigned:0;

print fmt: "pid=%d; offset:9; size:9;", REC->common_pid
`;

Deno.test("parseTracepointFormat() tells numbers, arrays and places of data apart", () => {
  const { UNSIGNED, SIGNED, MEMORY, DATA_LOC, REL_LOC } = FieldKind;
  deepStrictEqual(
    parseTracepointFormat(FORMAT).map(({ name, offset, size, kind }) => [name, offset, size, kind]),
    [
      ["common_type", 0, 2, UNSIGNED],
      ["common_pid", 4, 4, SIGNED],
      ["filename", 8, 4, DATA_LOC],
      ["other", 12, 4, REL_LOC],
      ["comm", 16, 16, MEMORY],
      ["path", 32, 8, UNSIGNED],
      ["odd", 40, 12, MEMORY],
    ],
  );
});

Deno.test("Tracefs finds what is mounted, and nothing where nothing is", () => {
  const folder = Deno.makeTempDirSync();
  const place = join(folder, "events/sched/sched_switch");
  Deno.mkdirSync(place, { recursive: true });
  Deno.writeTextFileSync(join(place, "format"), FORMAT);
  const tracefs = new Tracefs(["/no/such/place", folder]);
  strictEqual(tracefs.root, folder);
  strictEqual(tracefs.fields("sched", "sched_switch")?.length, 7);
  strictEqual(tracefs.fields("sched", "other"), undefined);
  deepStrictEqual([tracefs.names("sched"), tracefs.names("none")], [["sched_switch"], []]);
  deepStrictEqual(tracefs.subsystems(), ["sched"]);
  const none = new Tracefs(["/no/such/place"]);
  deepStrictEqual([none.root, none.fields("sched", "sched_switch"), none.subsystems()], [
    ...[undefined, undefined, []],
  ]);
  Deno.removeSync(folder, { recursive: true });
});

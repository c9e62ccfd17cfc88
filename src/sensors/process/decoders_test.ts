/** All decoders of the sensor against bytes they did not expect, and against a real recording. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { ProcessExecOffset, RecordHeaderOffset, RecordView } from "../../wire/mod.ts";
import { buildExecRecord, splitRecords } from "../../../tests/support/record_builder.ts";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import type { RecordDecoder } from "../sensor.ts";
import { processSensor } from "./sensor.ts";

const RECORDING = new URL("../../../tests/fixtures/recorded_shell.bin", import.meta.url);

function viewOf(record: Uint8Array, size: number): RecordView {
  const view = new RecordView();
  const at = new DataView(record.buffer, record.byteOffset, record.byteLength);
  view.set(record, at, 0, size);
  return view;
}

/** Whether it could be read; any error but RangeError is a bug and passes through. */
function decodes(decoder: RecordDecoder, record: Uint8Array, size: number): boolean {
  try {
    decoder.decode(viewOf(record, size));
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

Deno.test("process decoders throw only RangeError on random bytes", () => {
  const random = SeededRandom.fromEnvironment("process decoders, random bytes");
  for (let round = 0; round < 3_000; round++) {
    const record = Uint8Array.from({ length: random.below(600) }, () => random.below(256));
    for (const decoder of processSensor.decoders) {
      decodes(decoder, record, record.length);
      decodes(decoder, record, random.below(1_000));
    }
  }
});

Deno.test("process decoders throw only RangeError on damaged records", () => {
  const random = SeededRandom.fromEnvironment("process decoders, damaged records");
  const whole = buildExecRecord(
    { header: { tgid: 1 } },
    { filename: "/bin/sh", interpreter: "/i", exe: "/bin/dash", cwd: "/a/b", argv: ["sh", "-c"] },
  );
  const decoder = processSensor.decoders.find(({ name }) => name === "process_exec");
  ok(decoder !== undefined && decodes(decoder, whole, whole.length));
  const sizes = [
    ProcessExecOffset.filenameSize,
    ProcessExecOffset.interpreterSize,
    ProcessExecOffset.exeSize,
    ProcessExecOffset.cwdSize,
    ProcessExecOffset.argumentsSize,
    ProcessExecOffset.environmentSize,
  ];
  let read = 0;
  for (let round = 0; round < 5_000; round++) {
    const damaged = whole.slice();
    const view = new DataView(damaged.buffer);
    // Move bytes from one string to another, which keeps the sum, or write nonsense.
    const [from, to] = [sizes[random.below(6)] ?? 0, sizes[random.below(6)] ?? 0];
    const moved = random.below(8);
    view.setUint32(from, view.getUint32(from, true) - moved, true);
    view.setUint32(to, view.getUint32(to, true) + moved, true);
    if (random.chance(0.3)) damaged[random.below(damaged.length)] = random.below(256);
    if (decodes(decoder, damaged, damaged.length)) read++;
  }
  ok(read > 100 && read < 5_000, `${read} of 5000 could be read`);
});

Deno.test("process decoders read every record of a recording", () => {
  const decoders = new Map(processSensor.decoders.map((decoder) => [decoder.kind, decoder]));
  const records = splitRecords(Deno.readFileSync(RECORDING));
  const types = new Set<string>();
  for (const record of records) {
    const size = new DataView(record.buffer).getUint32(RecordHeaderOffset.size, true);
    const view = viewOf(record, size);
    const fact = decoders.get(view.kind)?.decode(view);
    strictEqual(fact?.tid, fact?.tgid);
    if (fact !== undefined) types.add(fact.type);
    if (fact?.type !== "process_executed") continue;
    ok(fact.filename.text !== "");
    ok(fact.argv.length > 0);
    ok(fact.exe?.path.text.startsWith("/"));
    ok(fact.cwd.text.startsWith("/"));
  }
  deepStrictEqual([...types].sort(), ["process_executed", "process_exited", "process_forked"]);
});

Deno.test("process sensor sets the object's variables from its settings", () => {
  deepStrictEqual(processSensor.globals({}), { collect_environment: false });
  deepStrictEqual(processSensor.globals({ environment_variables: true }), {
    collect_environment: true,
  });
});

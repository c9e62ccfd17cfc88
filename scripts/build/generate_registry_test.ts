import assert from "node:assert/strict";
import { join } from "node:path";
import { generateRegistry } from "./generate_registry.ts";

async function withSensors(
  sensors: Readonly<Record<string, string>>,
  check: (root: string) => Promise<void>,
): Promise<void> {
  const root = await Deno.makeTempDir();
  try {
    await Deno.mkdir(join(root, "src/sensors/generated"), { recursive: true });
    for (const [name, text] of Object.entries(sensors)) {
      await Deno.mkdir(join(root, "src/sensors", name));
      await Deno.writeTextFile(join(root, "src/sensors", name, "sensor.ts"), text);
    }
    await check(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("generateRegistry() imports every sensor by folder name", () =>
  withSensors({
    process: "export const processSensor: Sensor = {};\n",
    cgroup: "const hidden: Sensor = {};\nexport const cgroupSensor: Sensor = {};\n",
  }, async (root) => {
    const text = await generateRegistry(root);
    assert.match(text, /import \{ cgroupSensor \} from "\.\.\/cgroup\/sensor\.ts";/);
    assert.match(text, /SENSORS: readonly Sensor\[\] = \[cgroupSensor, processSensor\];/);
  }));

Deno.test("generateRegistry() refuses a file with no sensor or two", async () => {
  const one = "export const a: Sensor = {};\n";
  const two = one + "export const b: Sensor = {};\n";
  for (const text of ["export const a = {};\n", two]) {
    await withSensors(
      { broken: text },
      (root) => assert.rejects(generateRegistry(root), /src\/sensors\/broken\/sensor\.ts/),
    );
  }
});

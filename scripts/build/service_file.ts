/**
 * Copies the unit file into the payload: `shrike install` writes it from there.
 *
 * @module
 */
import { join } from "node:path";
import type { BuildStep } from "./build_step.ts";
import { type Workspace, writeFileAtomically } from "./workspace.ts";

/** The step that makes `.out/systemd/shrike.service`. */
export function serviceFileStep(workspace: Workspace): BuildStep {
  const path = "systemd/shrike.service";
  return {
    name: "shrike.service",
    inputs: [`scripts/${path}`],
    key: [],
    outputs: [`.out/${path}`],
    run: async () => {
      const text = await Deno.readTextFile(join(workspace.root, "scripts", path));
      await writeFileAtomically(join(workspace.out, path), text);
    },
  };
}

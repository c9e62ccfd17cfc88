/**
 * What `shrike version` does.
 *
 * @module
 */
import { type Config, loadConfig } from "../config/mod.ts";
import { describeProgram, type ProgramDescription } from "../host.ts";
import { ExitCode } from "./exit_codes.ts";
import type { TypedSettings } from "./table_options.ts";
import type { Terminal } from "./terminal.ts";

/** Writes the versions of all parts to stdout. */
export function showVersion({ flags }: TypedSettings, terminal: Terminal): Promise<ExitCode> {
  // Without file and environment: the version is asked for when they are broken, too.
  const { config } = loadConfig({ flags, environment: {}, readFile: noFile });
  terminal.writeOut(formatVersion(describeProgram(), config.versionFormat));
  return Promise.resolve(ExitCode.ok);
}

/** The description for people or for machines, with its line feed. */
export function formatVersion(
  program: ProgramDescription,
  format: Config["versionFormat"],
): string {
  if (format === "json") return `${JSON.stringify(program)}\n`;
  const start = program.start === null ? "" : `, started by ${program.start}`;
  const rows = [
    ["commit", program.commit],
    ["deno", `${program.deno} (V8 ${program.v8})`],
    ["libbpf", program.libbpf],
    ["kernel", `${program.kernel} ${program.architecture}`],
    ["form", `${program.form}${start}`],
    ["layouts", program.layoutHash],
    ...program.objects.map(({ name, size, sha256 }) => [
      `bpf/${name}`,
      `${size} bytes, sha256 ${sha256}`,
    ]),
  ];
  const width = Math.max(...rows.map(([name]) => name!.length));
  const lines = rows.map(([name, value]) => `  ${name!.padEnd(width)}  ${value}`);
  return `shrike ${program.version}\n${lines.join("\n")}\n`;
}

function noFile(): never {
  throw Object.assign(new Error("No file is read"), { code: "ENOENT" });
}

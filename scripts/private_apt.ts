/**
 * Reads any Debian suite with an apt of its own: source list, lists, status and cache stand in one
 * folder, so the machine's apt stays as it is.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { runTool, ToolError } from "./build/run_tool.ts";

/** Package archives as the machine's own source list names them. */
export interface DebianArchives {
  readonly main: string;
  /** Missing when the machine has no security suite. */
  readonly security?: string;
}

/** One version of a package, as its archive describes it. */
export interface PackageRecord {
  readonly name: string;
  readonly version: string;
  /** Of the .deb file. */
  readonly sha256: string;
  readonly depends: readonly string[];
}

/** Debian's keys: they also sign the suites the machine itself does not use. */
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * Finds where this machine gets Debian packages from. The project names no host of its own, so
 * proxies and mirrors work as they do for `apt-get install`.
 */
export async function machineArchives(): Promise<DebianArchives> {
  const format = "$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)";
  const text = await runTool("apt-get", ["indextargets", "--format", format]);
  const rows = text.split("\n").map((line) => line.split("|"))
    .filter((row) => row[0]?.startsWith("Debian") === true && row[3] === "main");
  const security = rows.find((row) => row[2]?.endsWith("-security"))?.[1];
  const main = rows.find((row) => !row[2]?.includes("-"))?.[1];
  if (main === undefined) {
    throw new ToolError("apt-get", text, "it names no Debian archive", "run `apt-get update`");
  }
  return security === undefined ? { main } : { main, security };
}

/** A source line for `suite`, and one for its security updates when there are any. */
export function sourceLines(archives: DebianArchives, suite: string): string[] {
  const options = `[signed-by=${KEYRING}]`;
  const lines = [`deb ${options} ${archives.main} ${suite} main`];
  // sid has no security suite: fixes go straight into it.
  if (archives.security !== undefined && suite !== "sid") {
    lines.push(`deb ${options} ${archives.security} ${suite}-security main`);
  }
  return lines;
}

/** One apt with its own sources. The folder belongs to the caller, who removes it. */
export class PrivateApt {
  readonly #folder: string;
  readonly #sources: readonly string[];

  constructor(folder: string, sources: readonly string[]) {
    this.#folder = folder;
    this.#sources = sources;
  }

  /** Makes the folder and fetches the package lists. */
  async update(): Promise<void> {
    for (const folder of ["lists/partial", "cache/archives/partial", "state"]) {
      await Deno.mkdir(join(this.#folder, folder), { recursive: true });
    }
    await Deno.writeTextFile(join(this.#folder, "status"), "");
    await Deno.writeTextFile(join(this.#folder, "sources.list"), this.#sources.join("\n") + "\n");
    await this.#run("apt-get", ["update", "--error-on=any"]);
  }

  /** The newest version of a package, or null when these sources do not have it. */
  async find(name: string): Promise<PackageRecord | null> {
    const text = await this.#run("apt-cache", ["show", "--no-all-versions", name]).catch(
      (error: unknown) => {
        if (error instanceof ToolError && error.output.includes("No packages found")) return "";
        throw error;
      },
    );
    const field = (key: string) => new RegExp(`^${key}: (.*)$`, "m").exec(text)?.[1];
    const version = field("Version");
    const sha256 = field("SHA256");
    if (version === undefined || sha256 === undefined) return null;
    const depends = (field("Depends") ?? "").split(/[,|]/).map((part) => part.trim().split(" ")[0]);
    return { name, version, sha256, depends: depends.filter((part) => part !== undefined) };
  }

  /**
   * Fetches one package into `folder` and checks its hash.
   *
   * @returns the path of the .deb file.
   */
  async download(record: PackageRecord, folder: string): Promise<string> {
    await Deno.mkdir(folder, { recursive: true });
    await this.#run("apt-get", ["download", `${record.name}=${record.version}`], folder);
    for await (const entry of Deno.readDir(folder)) {
      if (!entry.name.startsWith(`${record.name}_`)) continue;
      const path = join(folder, entry.name);
      const sha256 = createHash("sha256").update(await Deno.readFile(path)).digest("hex");
      if (sha256 === record.sha256) return path;
      throw new ToolError("apt-get download", path, "the file has another hash", "run it again");
    }
    throw new ToolError("apt-get download", folder, "no file arrived", "run it again");
  }

  #run(tool: string, args: readonly string[], cwd = this.#folder): Promise<string> {
    const options = {
      "Dir::State": `${this.#folder}/state`,
      "Dir::State::Lists": `${this.#folder}/lists`,
      "Dir::State::status": `${this.#folder}/status`,
      "Dir::Cache": `${this.#folder}/cache`,
      "Dir::Etc::sourcelist": `${this.#folder}/sources.list`,
      "Dir::Etc::sourceparts": "-",
      // Its own user could not write below a folder of root's.
      "APT::Sandbox::User": "root",
      "Acquire::Retries": "3",
      "Acquire::http::Timeout": "30",
    };
    const flags = Object.entries(options).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
    return runTool(tool, [...flags, "-qq", ...args], { cwd });
  }
}

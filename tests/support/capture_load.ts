/**
 * Records at will, for the test of capture: the BPF program and the process of `capture_load/`.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { type BpfMap, type BpfObject, type Libbpf, openLibbpf } from "../../ffi/mod.ts";
import { openPayload } from "../../src/loader/mod.ts";
import { RECORD_DROP_SIZE, RecordDropOffset } from "../../src/wire/mod.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const SOURCES = join(ROOT, "tests/support/capture_load");
const OUT = join(ROOT, ".out/tests");

/** Kind of the records, and its row of `record_drops` as RECORD_DROP_SLOT() counts it. */
const LOAD_RECORD_KIND = 0x0707;
const LOAD_DROP_SLOT = 0o77;
/** Offset of the running number in a record; the stamp is its last u32. */
export const LOAD_NUMBER_OFFSET = 64;

/** Sizes of the records of a round, bytes: spread over `sizeMin .. sizeMin + sizeSpan - 1`. */
export interface LoadSizes {
  readonly sizeMin: number;
  readonly sizeSpan: number;
}

/** The loaded and attached program. Makes nothing until a generator runs. */
export class CaptureLoad {
  readonly recordsMapFd: number;
  readonly #object: BpfObject;
  readonly #libbpf: Libbpf;
  readonly #counts: BpfMap;

  private constructor(libbpf: Libbpf, object: BpfObject) {
    this.#libbpf = libbpf;
    this.#object = object;
    this.#counts = object.map("load_counts");
    this.recordsMapFd = object.map("records").fd;
  }

  /** Builds what is missing, loads and attaches. */
  static async open(): Promise<CaptureLoad> {
    const bytes = await Deno.readFile(await buildObject());
    const libbpf = openLibbpf(openPayload().libbpfPath());
    let object: BpfObject | undefined;
    try {
      object = libbpf.openObject(bytes, "capture_load");
      for (const name of ["records", "load_scratch", "load_orders"]) {
        object.map(name).setMaxEntries(libbpf.possibleCpuCount());
      }
      object.load();
      object.program("on_load_syscall").attach();
      return new CaptureLoad(libbpf, object);
    } catch (error) {
      object?.[Symbol.dispose]();
      libbpf[Symbol.dispose]();
      throw error;
    }
  }

  /** Makes records of these sizes at the generator's system calls from now on. */
  order(generator: LoadGenerator, { sizeMin, sizeSpan }: LoadSizes): void {
    const { cpu, pid, syscall } = generator;
    const order = new Uint32Array([pid, syscall, sizeMin, sizeSpan]);
    const key = new Uint8Array(new Uint32Array([cpu]).buffer);
    this.#object.map("load_orders").update(key, new Uint8Array(order.buffer));
  }

  /** Records made on a CPU, whether they got out or not. */
  made(cpu: number): number {
    const counts = this.#counts.lookup(new Uint8Array(4));
    return counts === null ? 0 : Number(new BigUint64Array(counts.buffer)[cpu]);
  }

  /** Records of a CPU that no ring took, by reason of `enum drop_reason`. */
  dropped(cpu: number): readonly number[] {
    const key = new Uint8Array(new Uint32Array([LOAD_DROP_SLOT]).buffer);
    const rows = this.#object.map("record_drops").lookup(key);
    if (rows === null) throw new Error(`No drop row for kind ${LOAD_RECORD_KIND}`);
    const view = new DataView(rows.buffer, cpu * RECORD_DROP_SIZE);
    const at = RecordDropOffset.count;
    return [0, 1, 2, 3].map((reason) => Number(view.getBigUint64(at + reason * 8, true)));
  }

  [Symbol.dispose](): void {
    this.#object[Symbol.dispose]();
    this.#libbpf[Symbol.dispose]();
  }
}

/** A process that calls getppid() on one CPU when told. */
export class LoadGenerator {
  readonly pid: number;
  readonly #process: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  #rest = "";
  /** Number of the system call. */
  syscall = 0;

  private constructor(readonly cpu: number, process: Deno.ChildProcess) {
    this.#process = process;
    this.pid = process.pid;
    this.#lines = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#input = process.stdin.getWriter();
  }

  /** Starts the process on `cpu`. */
  static async start(cpu: number): Promise<LoadGenerator> {
    const command = new Deno.Command(await buildProgram(), {
      args: [`${cpu}`],
      stdin: "piped",
      stdout: "piped",
    });
    const generator = new LoadGenerator(cpu, command.spawn());
    generator.syscall = Number((await generator.#line()).replace("ready ", ""));
    return generator;
  }

  /** Makes `count` calls, one each `intervalNs` (0: as fast as it goes), and waits for the end. */
  async run(count: number, intervalNs = 0): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${count} ${intervalNs}\n`));
    await this.#line();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    await this.#lines.cancel();
    await this.#process.status;
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf("\n");
      if (end >= 0) {
        const line = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end + 1);
        return line;
      }
      const { value, done } = await this.#lines.read();
      if (done) throw new Error("The load generator has ended");
      this.#rest += value;
    }
  }
}

/** Both are built before guests boot, which have no compiler and find them by content. */
export async function buildCaptureLoad(): Promise<void> {
  await buildObject();
  await buildProgram();
}

async function buildObject(): Promise<string> {
  const headers = ["kernel_types.h", "record.bpf.h", "record.h", "wire_types.h"];
  const inputs = [
    join(SOURCES, "capture_load.bpf.c"),
    ...headers.map((name) => join(ROOT, "bpf/include", name)),
  ];
  return await buildOnce("capture_load.bpf.o", inputs, async (path) => {
    const triple = await output("gcc", ["-print-multiarch"]);
    const include = ["-I", join(ROOT, "bpf/include"), "-I", `/usr/include/${triple}`];
    const flags = "-target bpf -mcpu=v3 -g -O2 -Wall -Werror -c".split(" ");
    await output("clang", [...flags, ...include, inputs[0]!, "-o", path]);
  });
}

async function buildProgram(): Promise<string> {
  const source = join(SOURCES, "capture_load.c");
  return await buildOnce("capture_load", [source], async (path) => {
    await output("gcc", [..."-static -Os -s -Wall -Wextra -Werror -o".split(" "), path, source]);
  });
}

/** Path of what `make` makes of the inputs, made now unless it is there. */
async function buildOnce(
  name: string,
  inputs: readonly string[],
  make: (path: string) => Promise<void>,
): Promise<string> {
  const hash = createHash("sha256");
  for (const input of inputs) hash.update(basename(input)).update(await Deno.readFile(input));
  const path = join(OUT, `${hash.digest("hex").slice(0, 12)}-${name}`);
  if (await Deno.stat(path).then(() => true, () => false)) return path;
  await Deno.mkdir(OUT, { recursive: true });
  await make(`${path}.${Deno.pid}`);
  await Deno.rename(`${path}.${Deno.pid}`, path);
  return path;
}

async function output(tool: string, args: string[]): Promise<string> {
  const run = await new Deno.Command(tool, { args, stderr: "piped" }).output();
  if (!run.success) throw new Error(`${tool} failed: ${new TextDecoder().decode(run.stderr)}`);
  return new TextDecoder().decode(run.stdout).trim();
}

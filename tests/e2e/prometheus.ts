/**
 * A real Prometheus that scrapes what a test tells it to, on a port of loopback, with its data in a
 * folder of the test.
 *
 * @module
 */

/** Path of the program; undefined when it is not installed. */
export function prometheusPath(name: "prometheus" | "promtool"): string | undefined {
  return [`/usr/bin/${name}`, `/usr/local/bin/${name}`].find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/** A port of loopback that nobody has; another program may take it, so it is used soon. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Its first scrape comes within the interval; a loaded machine may take its time. */
const QUERY_DEADLINE_MS = 60_000;
const LOOK_MS = 100;

/** One series of an answer. */
export interface SeriesValue {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Ends when it is disposed, by its pid. */
export class Prometheus implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #folder: string;
  readonly #port: number;
  readonly #errors: Promise<string>;

  private constructor(child: Deno.ChildProcess, folder: string, port: number) {
    this.#child = child;
    this.#folder = folder;
    this.#port = port;
    this.#errors = new Response(child.stderr).text();
  }

  /** Scrapes `target` ("127.0.0.1:9464") each second, as job `shrike`. */
  static async start(target: string): Promise<Prometheus> {
    const folder = await Deno.makeTempDir({ prefix: "shrike-prometheus-" });
    const port = freePort();
    const config = {
      global: { scrape_interval: "1s", scrape_timeout: "1s" },
      scrape_configs: [{ job_name: "shrike", static_configs: [{ targets: [target] }] }],
    };
    // JSON is YAML.
    await Deno.writeTextFile(`${folder}/config.yaml`, JSON.stringify(config));
    const child = new Deno.Command(prometheusPath("prometheus")!, {
      args: [
        `--config.file=${folder}/config.yaml`,
        `--storage.tsdb.path=${folder}/data`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      clearEnv: true,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    return new Prometheus(child, folder, port);
  }

  /** Asks again and again until `isRight` likes the answer. */
  async queryUntil(
    query: string,
    isRight: (series: readonly SeriesValue[]) => boolean,
  ): Promise<readonly SeriesValue[]> {
    const deadline = performance.now() + QUERY_DEADLINE_MS;
    let last: readonly SeriesValue[] = [];
    while (performance.now() < deadline) {
      last = await this.#query(query).catch(() => []);
      if (isRight(last)) return last;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    this.#child.kill("SIGTERM");
    const answer = JSON.stringify(last);
    throw new Error(`Cannot get "${query}" from Prometheus: ${answer}; ${await this.#errors}`);
  }

  async #query(query: string): Promise<SeriesValue[]> {
    const parameters = new URLSearchParams({ query });
    const response = await fetch(`http://127.0.0.1:${this.#port}/api/v1/query?${parameters}`);
    const { data } = await response.json();
    return data.result.map(({ metric, value }: { metric: never; value: [number, string] }) => ({
      metric,
      value: Number(value[1]),
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.#child.status;
    await this.#errors;
    await Deno.remove(this.#folder, { recursive: true });
  }
}

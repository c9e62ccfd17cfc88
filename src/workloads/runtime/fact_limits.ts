/**
 * Bounds on what a runtime may make us remember. Labels are the runtime's users' own text.
 *
 * @module
 */
import type { ContainerImage } from "../../events/mod.ts";
import { defined } from "./json_value.ts";
import type { Counter, Counters } from "../../telemetry/mod.ts";

/** Labels kept of one container or pod; Kubernetes objects have a dozen. */
const LABELS_MAX = 64;
/** Code units of one set of labels, keys and values. */
const LABELS_LENGTH_MAX = 16_384;
/** Code units of a name or an image reference; registries allow 255 + 128. */
const TEXT_LENGTH_MAX = 512;

/** Cuts facts to size and counts what is left out. */
export class FactLimits {
  readonly #labelsDropped: Counter;
  readonly #textsCut: Counter;

  constructor(counters: Counters) {
    this.#labelsDropped = counters.counter(
      "shrike_workloads_labels_dropped_total",
      "Labels and annotations left out because a container or pod has too many or too long ones",
    );
    this.#textsCut = counters.counter(
      "shrike_workloads_texts_cut_total",
      "Names and image names of runtimes cut to their limit",
    );
  }

  /** A name; undefined for "" and what is no text. */
  text(value: unknown): string | undefined {
    if (typeof value !== "string" || value === "") return undefined;
    if (value.length <= TEXT_LENGTH_MAX) return value;
    this.#textsCut.value += 1;
    return value.slice(0, TEXT_LENGTH_MAX).toWellFormed();
  }

  /** An image; undefined when neither is known. */
  image(id: unknown, name: unknown): ContainerImage | undefined {
    const image = defined<ContainerImage>({ id: this.text(id), name: this.text(name) });
    return image.id === undefined && image.name === undefined ? undefined : image;
  }

  /** Labels, frozen; undefined when there are none. Small ones are kept rather than large ones. */
  labels(
    entries: Iterable<readonly [string, unknown]>,
  ): Readonly<Record<string, string>> | undefined {
    const texts = [...entries].filter((entry): entry is [string, string] =>
      typeof entry[1] === "string"
    );
    let length = texts.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
    if (texts.length > LABELS_MAX || length > LABELS_LENGTH_MAX) {
      texts.sort((a, b) => a[0].length + a[1].length - b[0].length - b[1].length);
      while (texts.length > LABELS_MAX || length > LABELS_LENGTH_MAX) {
        const [key, value] = texts.pop()!;
        length -= key.length + value.length;
        this.#labelsDropped.value += 1;
      }
    }
    if (texts.length === 0) return undefined;
    // No prototype: a label may be called "__proto__".
    const labels: Record<string, string> = Object.create(null);
    for (const [key, value] of texts) labels[key] = value;
    return Object.freeze(labels);
  }
}

/**
 * A descriptor that takes as much as a test says, when it says so.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { OutputWriter } from "../../src/export/mod.ts";

/** Keeps what it gets; the test says when an asynchronous write goes on and how much it takes. */
export class FakeWriter implements OutputWriter {
  written = "";
  room = 0;
  /** A write may end inside of a character. */
  readonly #decoder = new TextDecoder();
  /** Waiting asynchronous writes. */
  readonly waiting: { size: number; answer: (size: number | Error) => void }[] = [];
  syncWrites = 0;

  write(bytes: Uint8Array): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const answer = (size: number | Error) => {
      if (typeof size !== "number") return reject(size);
      // Read only now: the sink must not have changed the bytes in the meantime.
      this.written += this.#decoder.decode(bytes.subarray(0, size), { stream: true });
      resolve(size);
    };
    this.waiting.push({ size: bytes.length, answer });
    return promise;
  }

  roomNow(): number {
    return this.room;
  }

  writeSync(bytes: Uint8Array): number {
    assert.ok(bytes.length <= this.room);
    this.syncWrites++;
    this.written += this.#decoder.decode(bytes, { stream: true });
    return bytes.length;
  }

  /** Lets the oldest write go on and the sink react to it. */
  async answer(size: number | Error): Promise<void> {
    const write = this.waiting.shift();
    assert.ok(write !== undefined, "the sink writes nothing");
    write.answer(typeof size === "number" ? Math.min(size, write.size) : size);
    await promiseSteps();
  }
}

/** Writing, counting and the next write are a few promise steps each. */
export async function promiseSteps(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

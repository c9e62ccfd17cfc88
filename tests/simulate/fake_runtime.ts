/**
 * A container runtime that answers late, wrongly or never, from one seed.
 *
 * @module
 */
import type { Answerer } from "../../src/workloads/lookups.ts";
import {
  RuntimeError,
  type RuntimeFacts,
  type Subject,
} from "../../src/workloads/runtime/runtime_client.ts";
import type { SeededRandom } from "../support/seeded_random.ts";

interface Question {
  readonly subject: Subject;
  readonly resolve: (facts: RuntimeFacts | undefined) => void;
  readonly reject: (error: Error) => void;
}

/** Answers when it is told to. */
export class FakeRuntime implements Answerer {
  readonly #random: SeededRandom;
  readonly #onAnswer: (id: string) => void;
  #questions: Question[] = [];

  /** @param onAnswer told of each container whose name has been given */
  constructor(random: SeededRandom, onAnswer: (id: string) => void) {
    this.#random = random;
    this.#onAnswer = onAnswer;
  }

  lookUp(subject: Subject): Promise<RuntimeFacts | undefined> {
    if (subject.kind !== "container") return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#questions.push({ subject, resolve, reject });
    });
  }

  /** Some of the open questions have their answer now. */
  answerSome(): void {
    const later: Question[] = [];
    for (const question of this.#questions) {
      const roll = this.#random.fraction();
      const { subject, resolve, reject } = question;
      if (roll < 0.3) later.push(question);
      else if (roll < 0.45) reject(new RuntimeError("docker", "timeout", "told so"));
      else if (roll < 0.6) resolve(undefined);
      else {
        this.#onAnswer(subject.id);
        resolve({ container: { runtime: "docker", id: subject.id, name: nameOf(subject.id) } });
      }
    }
    this.#questions = later;
  }

  /** Nobody waits any more. */
  forget(): void {
    this.#questions = [];
  }
}

/** Name of the container with that id. */
export function nameOf(id: string): string {
  return `web-${id.slice(0, 6)}`;
}

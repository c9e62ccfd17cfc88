import assert from "node:assert/strict";
import { readText } from "../../../tests/support/policy_text.ts";
import { resolvePolicies } from "./bind_template.ts";

const FIXTURES = new URL("../../../tests/fixtures/policies/", import.meta.url);
const ROUNDS = 3_000;

/** Pieces that mean something to YAML or to policies. */
const PIECES = [
  ..."{}[]:,-&*!|>?#'\"\\\n\t \0\u00ff",
  ...["&a", "*a", "<<: ", "---\n", "null", "- ", ": ", "-1", "0x", "1e9", "list:x", "[[[[", "~"],
  ...["matchArgs", "values", "operator: Mask", "type: sock", "action: Override", "!!str "],
];

/** xorshift: the same numbers for the same seed everywhere. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function mutate(text: string, random: (below: number) => number): string {
  const at = random(text.length + 1);
  const size = random(20);
  switch (random(4)) {
    case 0:
      return text.slice(0, at) + text.slice(at + size);
    case 1:
      return text.slice(0, at) + PIECES[random(PIECES.length)] + text.slice(at);
    case 2: {
      const from = random(text.length);
      return text.slice(0, at) + text.slice(from, from + size * 4) + text.slice(at);
    }
    default:
      return text.slice(0, at) + PIECES[random(PIECES.length)] + text.slice(at + size);
  }
}

Deno.test("readPolicies() never throws on mutations of policies, and always ends", () => {
  const seed = Number(Deno.env.get("SHRIKE_SEED") ?? Date.now() % 2 ** 31);
  console.log(`SHRIKE_SEED=${seed}`);
  const random = randomNumbers(seed);
  const originals = [...Deno.readDirSync(FIXTURES)].map(({ name }) => name).sort()
    .map((name) => Deno.readTextFileSync(new URL(name, FIXTURES)));
  let goodCount = 0;
  for (let round = 0; round < ROUNDS; round++) {
    let text = originals[random(originals.length)]!;
    for (let count = 1 + random(4); count > 0; count--) text = mutate(text, random);
    try {
      const { documents, problems } = readText(text);
      const set = resolvePolicies(documents);
      for (const { place, hint } of [...problems, ...set.problems]) {
        assert(place.line >= 1 && place.line <= text.split("\n").length);
        assert(place.column >= 1 && hint !== "");
      }
      for (const { hooks } of set.policies) {
        assert(hooks.length >= 1 && hooks.every(({ selectors }) => selectors.length >= 1));
        for (const { actions } of hooks.flatMap(({ selectors }) => selectors)) {
          assert(actions.some(({ kind }) => kind === "post" || kind === "no_post"));
        }
      }
      if (problems.length === 0) goodCount++;
    } catch (error) {
      throw new Error(`round ${round}:\n${text}`, { cause: error });
    }
  }
  // Both sides are tried: comments and values take some mutations without harm.
  assert(goodCount > ROUNDS / 100 && goodCount < ROUNDS, `${goodCount} of ${ROUNDS} were good`);
});

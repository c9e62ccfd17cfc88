/**
 * Random policies and calls that meet often: values of both come from the same small pools.
 *
 * @module
 */
import type {
  CallProcess,
  CallSocket,
  CallValue,
  PolicyCall,
} from "../../src/policy/evaluate/policy_call.ts";
import type {
  Action,
  ArgumentType,
  Condition,
  HookArgument,
  NumberRange,
  Policy,
  PolicyHook,
  Selector,
  Subject,
  Test,
  ValuePart,
  WorkloadSelector,
} from "../../src/policy/model.ts";
import { SHAPES } from "./random_policy_shapes.ts";
import type { SeededRandom } from "./seeded_random.ts";

const PLACE = { file: "random.yaml", line: 1, column: 1 };

/** Different texts of one run. */
const TEXTS = 300;

/** Sets of workloads that random selectors name. */
export const WORKLOAD_SETS = 4;

const TEXT_TYPES: ReadonlySet<ArgumentType> = new Set(["string", "char_buf", "fd", "file", "path"]);
const SIGNED_TYPES: ReadonlySet<ArgumentType> = new Set([
  ...["int8", "int16", "int32", "int64", "capability"] as const,
]);

const NUMBERS: readonly [bigint, ...bigint[]] = [
  ...[0n, 1n, 2n, 3n, 5n, 7n, 8n, 21n, 127n, 128n, 255n, 256n, 443n, 0x7fffn, 0x8000n] as const,
  ...[2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 63n - 1n, 2n ** 63n] as const,
  ...[-1n, -2n, -3n, -128n, -129n, -0x8000n, -(2n ** 31n), -(2n ** 63n), 2n ** 64n - 2n] as const,
];
const PIECES: readonly [string, ...string[]] = [
  ...["/", "/etc", "/etc/", "passwd", "a", "b", "aa", "/usr/bin", "\xff\xfe", "\n", "sh", "0"],
] as [string, ...string[]];
const SUBJECT_PARTS: readonly [ValuePart, ...ValuePart[]] = [
  ...["source_address", "destination_address", "source_port", "destination_port"] as const,
  ...["protocol", "family", "state"] as const,
] as [ValuePart, ...ValuePart[]];
const NAMESPACES = [
  ...["uts", "ipc", "mnt", "pid", "pid_for_children", "net", "time"] as const,
  ...["time_for_children", "cgroup", "user"] as const,
] as const;
const SETS = ["effective", "inheritable", "permitted"] as const;
const PORTS: readonly [number, ...number[]] = [0, 1, 22, 53, 80, 443, 1023, 1024, 65535];

/** Whether a selector is about the workloads of a set: by the names it gives. */
export function namesSet(
  set: number,
  policy: Policy,
  hookIndex: number,
  selectorIndex: number,
): boolean {
  const { workloads } = policy.hooks[hookIndex]!.selectors[selectorIndex]!;
  return [policy.workloads, workloads].every((selectors) =>
    selectors.length === 0 || selectors.some(({ names }) => names!.includes(`set${set}`))
  );
}

/** Makes policies and calls. */
export class RandomPolicies {
  readonly #random: SeededRandom;
  readonly #texts: readonly [Uint8Array, ...Uint8Array[]];
  #made = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
    const texts = Array.from({ length: TEXTS }, () => this.#makeText());
    this.#texts = texts as [Uint8Array, ...Uint8Array[]];
  }

  /** Where policies look. */
  readonly points = SHAPES.map(({ point }) => point);

  policy(name = `policy-${this.#made++}`): Policy {
    const hooks = this.#some(1, 3, () => this.#hook());
    return {
      ...{ name, place: PLACE, hooks },
      mode: this.#random.pick(["enforce", "monitor", "monitor_only"]),
      workloads: this.#workloads(0.3),
    };
  }

  call(): PolicyCall {
    const shape = this.#random.pick(SHAPES);
    const args: CallValue[] = [];
    for (const { index, type } of shape.args) args[index] = this.#value(type);
    const isCall = shape.point.kind === "syscall";
    return {
      ...{ point: shape.point, args },
      missing: isCall ? [0, 1, 2, 3, 4].filter(() => this.#random.chance(0.15)) : [],
      process: this.#process(this.#random.below(3)),
      returned: this.#number(),
    };
  }

  #hook(): PolicyHook {
    const shape = this.#random.pick(SHAPES);
    const args = this.#shuffled(shape.args)
      .slice(this.#random.below(2)).map((arg) => ({ ...arg, place: PLACE }));
    const returns = shape.returns === undefined || this.#random.chance(0.5)
      ? undefined
      : { index: 0, type: shape.returns, place: PLACE };
    const looksAtReturn = returns !== undefined && this.#random.chance(0.5);
    const count = this.#random.pick([1, 1, 1, 2, 3, 6]);
    const selectors = Array.from(
      { length: count },
      () => this.#selector(args, looksAtReturn ? returns : undefined, returns !== undefined),
    );
    return {
      ...{ point: shape.point, place: PLACE, args, selectors, tags: [] },
      ...(returns === undefined ? {} : { returns }),
    };
  }

  #selector(
    args: readonly HookArgument[],
    returns: HookArgument | undefined,
    hasReturn: boolean,
  ): Selector {
    const conditions = this.#some(0, 4, () => this.#condition(args, returns));
    // The same condition with another set of values, negated or not: they must be merged.
    for (const condition of [...conditions]) {
      if (!this.#random.chance(0.25)) continue;
      const test = this.#testLike(condition.test);
      conditions.push({ ...condition, test, isNegated: this.#random.chance(0.5) });
    }
    return {
      ...{ place: PLACE, conditions, workloads: this.#workloads(0.15) },
      actions: this.#actions(returns === undefined),
      returnActions: hasReturn && this.#random.chance(0.3) ? this.#actions(false) : [],
    };
  }

  #actions(mayOverride: boolean): Action[] {
    const actions: Action[] = [];
    if (this.#random.chance(0.3)) actions.push({ kind: "sigkill" });
    if (this.#random.chance(0.2)) {
      actions.push({ kind: "signal", signal: this.#random.pick([9, 10, 15]) });
    }
    if (mayOverride && this.#random.chance(0.3)) {
      actions.push({ kind: "override", errno: this.#random.pick([1, 13]) });
    }
    if (actions.length === 0 || this.#random.chance(0.3)) {
      actions.push({ kind: this.#random.pick(["post", "no_post"]) });
    }
    return actions;
  }

  #workloads(probability: number): WorkloadSelector[] {
    if (!this.#random.chance(probability)) return [];
    return this.#some(1, 2, () => ({
      place: PLACE,
      names: this.#some(1, 2, () => `set${this.#random.below(WORKLOAD_SETS)}`),
    }));
  }

  #condition(args: readonly HookArgument[], returns: HookArgument | undefined): Condition {
    const isNegated = this.#random.chance(0.4);
    const readable = args.filter(({ type }) => type !== "nop");
    if (returns !== undefined && this.#random.chance(0.4)) {
      const test = this.#numberTest(SIGNED_TYPES.has(returns.type));
      return { subject: { of: "return" }, test, isNegated, place: PLACE };
    }
    if (readable.length === 0 || this.#random.chance(0.4)) {
      return { ...this.#processCondition(), isNegated, place: PLACE };
    }
    const argument = this.#random.pick(readable as [HookArgument, ...HookArgument[]]);
    const position = args.indexOf(argument);
    const isSocket = argument.type === "sock" || argument.type === "sockaddr";
    const part = isSocket ? this.#random.pick(SUBJECT_PARTS) : "value";
    const subject: Subject = { of: "argument", position, part };
    return { subject, test: this.#argumentTest(argument.type, part), isNegated, place: PLACE };
  }

  #argumentTest(type: ArgumentType, part: ValuePart): Test {
    if (part.endsWith("_address")) return this.#networkTest();
    if (TEXT_TYPES.has(type)) return this.#textTest();
    return this.#numberTest(part === "value" && SIGNED_TYPES.has(type));
  }

  #processCondition(): Pick<Condition, "subject" | "test"> {
    switch (this.#random.below(5)) {
      case 0: {
        const isNamespacePid = this.#random.chance(0.5);
        const followForks = this.#random.chance(0.12);
        const subject: Subject = { of: "pid", isNamespacePid, followForks };
        return { subject, test: this.#numberTest(false) };
      }
      case 1: {
        const namespace = this.#random.pick(NAMESPACES);
        return { subject: { of: "namespace", namespace }, test: this.#numberTest(false) };
      }
      case 2: {
        const set = this.#random.pick(SETS);
        const test: Test = { kind: "bits", mask: this.#mask() };
        return { subject: { of: "capabilities", set }, test };
      }
      default:
        return {
          subject: { of: "binary", followChildren: this.#random.chance(0.08) },
          test: this.#textTest(),
        };
    }
  }

  #testLike(test: Test): Test {
    switch (test.kind) {
      case "text":
      case "prefix":
      case "postfix":
        return { kind: test.kind, values: this.#someTexts() };
      case "number":
        return { kind: "number", values: this.#some(0, 4, () => this.#number()) };
      case "range": {
        const { isSigned } = test;
        return { kind: "range", isSigned, values: this.#some(0, 3, () => this.#range(isSigned)) };
      }
      case "bits":
        return { kind: "bits", mask: this.#mask() };
      case "network":
        return this.#networkTest();
    }
  }

  #textTest(): Test {
    const kind = this.#random.pick<"text" | "prefix" | "postfix">(["text", "prefix", "postfix"]);
    return { kind, values: this.#someTexts() };
  }

  #someTexts(): Uint8Array[] {
    return this.#some(0, 4, () => this.text().subarray(0, 124));
  }

  #numberTest(isSigned: boolean): Test {
    const kind = this.#random.pick(["number", "range", "range", "bits"]);
    return this.#testLike(
      kind === "range"
        ? { kind, isSigned, values: [] }
        : kind === "bits"
        ? { kind, mask: 0n }
        : { kind: "number", values: [] },
    );
  }

  /** Of signed types the bounds are moved. */
  #range(isSigned: boolean): NumberRange {
    const moved = (value: bigint) => BigInt.asUintN(64, isSigned ? value + 2n ** 63n : value);
    const [a, b] = [moved(this.#number()), moved(this.#number())];
    return this.#random.chance(0.95) === a < b ? { first: a, last: b } : { first: b, last: a };
  }

  #mask(): bigint {
    return this.#some(0, 3, () => 1n << BigInt(this.#random.pick([0, 1, 2, 3, 7, 15, 31, 63])))
      .reduce((all, bit) => all | bit, 0n);
  }

  #networkTest(): Test {
    return {
      kind: "network",
      values: this.#some(0, 3, () => ({
        address: this.#address(),
        bits: this.#random.pick([0, 8, 96, 104, 112, 119, 120, 127, 128, 128]),
      })),
    };
  }

  #address(): Uint8Array {
    const address = new Uint8Array(16);
    if (this.#random.chance(0.8)) address.set([0xff, 0xff], 10);
    else address[0] = 0x20;
    for (const at of [12, 13, 15]) address[at] = this.#random.pick([0, 1, 10, 127, 128, 255]);
    return address;
  }

  #value(type: ArgumentType): CallValue {
    if (this.#random.chance(0.03)) return undefined;
    if (TEXT_TYPES.has(type)) {
      return this.#random.chance(0.005) ? this.#longText() : this.text();
    }
    if (type === "sockaddr" && this.#random.chance(0.05)) return null;
    return type === "sock" || type === "sockaddr" ? this.#socket() : this.#number();
  }

  #socket(): CallSocket {
    return {
      ...{ sourceAddress: this.#address(), destinationAddress: this.#address() },
      ...{ sourcePort: this.#random.pick(PORTS), destinationPort: this.#random.pick(PORTS) },
      protocol: this.#random.pick([6, 17]),
      family: this.#random.pick([0, 2, 10, 1]),
      state: this.#random.pick([1, 2, 7]),
      ...(this.#random.chance(0.5) && {
        socket: { family: this.#random.pick([1, 2, 10]), isRaw: this.#random.chance(0.5) },
      }),
    };
  }

  #process(ancestors: number): CallProcess {
    const small = () => this.#random.below(12);
    const namespaces = Object.fromEntries(NAMESPACES.map((name) => [name, small()]));
    return {
      ...{ tgid: small(), namespaceTgid: small() },
      binary: this.#random.chance(0.03) ? undefined : this.text(),
      givenName: this.#random.chance(0.03) ? undefined : this.text(),
      namespaces: namespaces as CallProcess["namespaces"],
      capabilities: {
        ...{ effective: this.#mask(), inheritable: this.#mask(), permitted: this.#mask() },
      },
      ancestors: Array.from({ length: ancestors }, () => this.#process(0)),
    };
  }

  text(): Uint8Array {
    return this.#random.pick(this.#texts);
  }

  /** Bytes of some pieces, often one more or less than another text. */
  #makeText(): Uint8Array {
    const pieces = this.#some(0, 3, () => this.#random.pick(PIECES)).join("");
    const text = this.#random.chance(0.02) ? pieces.padEnd(260, "x") : pieces;
    return Uint8Array.from(text, (character) => character.charCodeAt(0));
  }

  #longText(): Uint8Array {
    const text = new Uint8Array(4095 + this.#random.below(4)).fill(97);
    text.set(this.text());
    return text;
  }

  /** From the pool, sometimes next to one. */
  #number(): bigint {
    const number = this.#random.pick(NUMBERS) + BigInt(this.#random.pick([0, 0, 0, 1, -1]));
    return BigInt.asUintN(64, number);
  }

  #some<Item>(least: number, most: number, make: () => Item): Item[] {
    return Array.from({ length: least + this.#random.below(most - least + 1) }, make);
  }

  #shuffled<Item>(items: readonly Item[]): Item[] {
    return items.map((item) => ({ item, at: this.#random.fraction() }))
      .sort((a, b) => a.at - b.at).map(({ item }) => item);
  }
}

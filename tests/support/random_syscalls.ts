/**
 * Random policies on harmless system calls, and random calls that often meet them.
 *
 * @module
 */
import type { CallProcess, PolicyCall } from "../../src/policy/evaluate/policy_call.ts";
import type {
  Action,
  ArgumentType,
  Condition,
  HookArgument,
  Policy,
  Test,
  ValuePart,
} from "../../src/policy/mod.ts";
import {
  argumentIs,
  condition,
  makePolicy,
  network,
  numbers,
  range,
  type SelectorParts,
  texts,
} from "./policy_factory.ts";
import type { SeededRandom } from "./seeded_random.ts";
import type { CallArgument } from "./system_caller.ts";

type Argument = Omit<HookArgument, "place">;

interface Shape {
  readonly call: string;
  readonly args: readonly Argument[];
  readonly returns: ArgumentType;
}

/** Calls that fail, or only tell something, with whatever arguments they are made. */
const SHAPES: readonly [Shape, ...Shape[]] = [
  {
    call: "prctl",
    args: [
      { index: 1, type: "string" },
      ...[{ index: 2, type: "int32" }, { index: 3, type: "uint16" }] as const,
      { index: 4, type: "char_buf", sizeIndex: 3, sizeMax: 9 },
      { index: 2, type: "uint64" },
    ],
    returns: "int32",
  },
  {
    call: "getpriority",
    args: [{ index: 0, type: "int32" }, { index: 1, type: "uint32" }, { index: 1, type: "int8" }],
    returns: "int64",
  },
  {
    call: "connect",
    args: [{ index: 0, type: "int32" }, { index: 1, type: "sockaddr" }, { index: 2, type: "size" }],
    returns: "int32",
  },
  {
    call: "bind",
    args: [{ index: 0, type: "int32" }, { index: 1, type: "sockaddr" }],
    returns: "int32",
  },
];

/** Does not exist, see prctl(2). */
const NO_OPTION = 0x7fff_0001;
/** Names the thread, and so reads a text: PR_SET_NAME. */
const NAME_OPTION = 15;
/** No page is ever there. */
const NOWHERE = 8;
/** What these do by default is nothing: SIGCHLD, SIGURG, SIGWINCH. */
const HARMLESS_SIGNALS: readonly [number, ...number[]] = [17, 23, 28];
const PIECES: readonly [string, ...string[]] = ["/", "/etc", "/etc/", "passwd", "a", "aa", "\xff"];
const NUMBERS: readonly [bigint, ...bigint[]] = [
  ...[0n, 1n, 2n, 3n, 7n, 127n, 128n, 255n, 256n, 0xffffn, 0x8000n, 2n ** 31n, 2n ** 32n] as const,
  ...[-1n, -2n, -128n, -(2n ** 31n), -(2n ** 63n), 2n ** 32n - 1n] as const,
] as [bigint, ...bigint[]];
const NETWORKS: readonly [Test, ...Test[]] = [
  ...[network("10.0.0.0", 8), network("10.1.0.0", 16), network("10.1.2.3", 32)] as const,
  ...[network("::", 0), network("2001:db8::", 32), network("2001:db8::1", 128)] as const,
] as [Test, ...Test[]];
const PORTS: readonly [number, ...number[]] = [0, 53, 80, 443, 65535];
const PARTS: readonly [ValuePart, ...ValuePart[]] = [
  "family",
  "destination_port",
  "destination_address",
];

/** A call, as it is to be made and as the specification sees it. */
export interface RandomCall {
  readonly name: string;
  readonly args: readonly CallArgument[];
  readonly call: Omit<PolicyCall, "returned">;
}

/** Makes policies and calls of one process. */
export class RandomSyscalls {
  readonly #random: SeededRandom;
  readonly #process: CallProcess;
  #made = 0;

  constructor(random: SeededRandom, process: CallProcess) {
    this.#random = random;
    this.#process = process;
  }

  policy(): Policy {
    const shape = this.#random.pick(SHAPES);
    const types = shape.args.filter(() => this.#random.chance(0.7));
    const hasReturn = this.#random.chance(0.4);
    const looksAtReturn = hasReturn && this.#random.chance(0.4);
    const count = this.#random.pick([1, 1, 2, 3, 5]);
    return makePolicy(`policy-${this.#made++}`, {
      ...{ call: shape.call, types },
      ...(hasReturn && { returns: shape.returns }),
      mode: this.#random.pick(["enforce", "monitor"]),
      selectors: Array.from(
        { length: count },
        () => this.#selector(types, hasReturn, looksAtReturn),
      ),
    });
  }

  call(): RandomCall {
    const shape = this.#random.pick(SHAPES);
    const args: CallArgument[] = [];
    const values: PolicyCall["args"][number][] = [];
    const setNumber = (index: number, value: bigint) => {
      args[index] = BigInt.asIntN(64, value);
      values[index] = BigInt.asUintN(64, value);
    };
    for (let index = 0; index < 5; index++) setNumber(index, this.#number());
    if (shape.call === "prctl") {
      setNumber(0, BigInt(this.#random.pick([NO_OPTION, NAME_OPTION])));
      setNumber(3, BigInt(this.#random.below(12)));
      this.#setText(args, values, 1);
      this.#setText(args, values, 4);
    } else if (shape.call === "connect" || shape.call === "bind") {
      setNumber(0, BigInt(this.#random.pick([-1, 998, 999])));
      this.#setAddress(args, values);
    }
    const point = { kind: "syscall", name: shape.call } as const;
    return { name: shape.call, args, call: { point, args: values, process: this.#process } };
  }

  #setText(args: CallArgument[], values: PolicyCall["args"][number][], index: number): void {
    if (this.#random.chance(0.15)) {
      const text = this.#text();
      args[index] = this.#random.chance(0.3) ? NOWHERE : { memory: "untouched", holds: text };
      const isRead = index === 1 && args[0] === BigInt(NAME_OPTION) && args[index] !== NOWHERE;
      if (isRead) {
        values[index] = text;
        return;
      }
      // Of a buffer without bytes there is nothing that could not be read.
      values[index] = index === 4 && values[3] === 0n ? new Uint8Array(0) : undefined;
      return;
    }
    const text = this.#random.chance(0.02)
      ? new Uint8Array(4090 + this.#random.below(10)).fill(97)
      : this.#text();
    // A buffer is read as far as it is asked for, so there must be as much.
    args[index] = index === 4 ? Uint8Array.from({ length: 16 }, (_, i) => text[i] ?? 0) : text;
    values[index] = args[index];
  }

  #setAddress(args: CallArgument[], values: PolicyCall["args"][number][]): void {
    if (this.#random.chance(0.1)) {
      // The call fails for its descriptor, and the kernel does not look at the address.
      args[1] = this.#random.pick<CallArgument>([NOWHERE, {
        memory: "untouched",
        holds: new Uint8Array(28),
      }]);
      values[1] = undefined;
      return;
    }
    if (this.#random.chance(0.05)) {
      args[1] = 0;
      values[1] = null;
      return;
    }
    const test = this.#random.pick(NETWORKS);
    const destinationAddress = test.kind === "network"
      ? test.values[0]!.address.slice()
      : new Uint8Array(16);
    const isIpv4 = destinationAddress[10] === 0xff && destinationAddress[0] === 0;
    if (this.#random.chance(0.3)) destinationAddress[15]! ^= 1;
    const destinationPort = this.#random.pick(PORTS);
    const family = isIpv4 ? this.#random.pick([2, 2, 2, 0]) : 10;
    const head = [family, 0, destinationPort >> 8, destinationPort & 255];
    args[1] = Uint8Array.from(
      isIpv4
        ? [...head, ...destinationAddress.slice(12), ...Array(8).fill(0)]
        : [...head, 0, 0, 0, 0, ...destinationAddress, 0, 0, 0, 0],
    );
    values[1] = {
      ...{ sourceAddress: new Uint8Array(16), destinationAddress, sourcePort: 0, destinationPort },
      ...{ protocol: 0, family, state: 0 },
    };
  }

  #selector(
    types: readonly Argument[],
    hasReturn: boolean,
    looksAtReturn: boolean,
  ): SelectorParts {
    const conditions: Condition[] = [];
    for (let i = this.#random.below(4); i > 0; i--) conditions.push(this.#condition(types));
    if (looksAtReturn && this.#random.chance(0.7)) {
      const test = numbers(...this.#some([-22, -9, 0, 20, -38]));
      conditions.push(condition({ of: "return" }, test, this.#random.chance(0.4)));
    }
    return {
      conditions,
      actions: this.#actions(),
      returnActions: hasReturn && this.#random.chance(0.3) ? this.#actions() : [],
    };
  }

  #actions(): Action[] {
    const actions: Action[] = [];
    if (this.#random.chance(0.3)) {
      actions.push({ kind: "signal", signal: this.#random.pick(HARMLESS_SIGNALS) });
    }
    if (actions.length === 0 || this.#random.chance(0.5)) {
      actions.push({ kind: this.#random.pick(["post", "post", "no_post"]) });
    }
    return actions;
  }

  #condition(types: readonly Argument[]): Condition {
    const not = this.#random.chance(0.4);
    const position = this.#random.below(types.length + 1);
    const argument = types[position];
    if (argument === undefined) return this.#processCondition(not);
    switch (argument.type) {
      case "string":
      case "char_buf": {
        const kind = this.#random.pick(["text", "prefix", "postfix"] as const);
        return argumentIs(position, texts(kind, ...this.#some([0, 1, 2]).map(() => this.#text())), {
          not,
        });
      }
      case "sockaddr": {
        const part = this.#random.pick(PARTS);
        if (part === "destination_address") {
          return argumentIs(position, this.#random.pick(NETWORKS), { part, not });
        }
        return argumentIs(position, numbers(...this.#some(part === "family" ? [2, 10] : PORTS)), {
          part,
          not,
        });
      }
      default:
        return argumentIs(position, this.#numberTest(/^int/.test(argument.type)), { not });
    }
  }

  #numberTest(isSigned: boolean): Test {
    switch (this.#random.below(3)) {
      case 0:
        return numbers(...this.#some(NUMBERS));
      case 1: {
        const all = [this.#number(), this.#number()]
          .map((value) => isSigned ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value))
          .sort((a, b) => a < b ? -1 : 1);
        return range(isSigned, all[0]!, all[1]!);
      }
      default:
        return { kind: "bits", mask: BigInt.asUintN(64, this.#number()) };
    }
  }

  #processCondition(not: boolean): Condition {
    const { tgid, namespaces, capabilities, binary, givenName } = this.#process;
    const either = (value: number) => numbers(this.#random.pick([value, value + 1]));
    switch (this.#random.below(4)) {
      case 0:
        return condition(
          { of: "pid", isNamespacePid: false, followForks: false },
          either(tgid),
          not,
        );
      case 1: {
        const namespace = this.#random.pick(["net", "mnt", "user"] as const);
        return condition({ of: "namespace", namespace }, either(namespaces[namespace]), not);
      }
      case 2: {
        const set = this.#random.pick(["effective", "permitted"] as const);
        const mask = this.#random.pick([1n, capabilities[set], 1n << 63n]);
        return condition({ of: "capabilities", set }, { kind: "bits", mask }, not);
      }
      default: {
        const test = this.#random.pick([
          texts("text", binary!),
          texts("text", givenName!, "/none"),
          texts("prefix", binary!.slice(0, 5)),
          texts("postfix", binary!.slice(-4)),
          texts("text", "/none"),
        ]);
        return condition({ of: "binary", followChildren: false }, test, not);
      }
    }
  }

  #text(): Uint8Array {
    const count = this.#random.below(4);
    const text = Array.from({ length: count }, () => this.#random.pick(PIECES)).join("");
    return Uint8Array.from(text, (character) => character.charCodeAt(0));
  }

  #number(): bigint {
    return this.#random.pick(NUMBERS) + BigInt(this.#random.pick([0, 0, 0, 1, -1]));
  }

  #some<Item>(items: readonly Item[]): Item[] {
    return items.filter(() => this.#random.chance(0.4));
  }
}

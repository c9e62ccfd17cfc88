/**
 * What the readers of a policy hand on to each other.
 *
 * @module
 */
import type { HookArgument } from "../model.ts";
import type { Architecture } from "../syscalls.ts";
import type { ArgumentTypeRow, HookKind } from "./argument_types.ts";
import type { SectionReading } from "./section.ts";
import type { BoundVariable } from "./variables.ts";
import type { YamlMap, YamlScalar } from "./yaml_tree.ts";

/** Names of functions or system calls, used as `list:NAME`. */
export interface NameList {
  readonly isOfSyscalls: boolean;
  readonly values: readonly YamlScalar[];
}

/** Something that is defined once and used by name. */
export interface Definitions<Definition> {
  find(name: string): Definition | undefined;
  names(): string[];
}

/** While `spec` is read. */
export interface SpecReading extends SectionReading {
  readonly architecture: Architecture;
  /** Of templates; those of policies have none. */
  readonly variables?: ReadonlyMap<string, BoundVariable>;
  readonly lists: Definitions<NameList>;
  readonly macros: Definitions<YamlMap>;
}

/** An argument that is declared; without `argument` it is wrong, which has been told. */
export interface DeclaredArgument {
  readonly index?: number;
  readonly argument?: HookArgument;
  readonly row?: ArgumentTypeRow;
}

/** Why a call cannot be made to fail where it is hooked. */
export interface OverrideRefusal {
  readonly text: string;
  readonly hint: string;
}

/** While a hook is read. */
export interface HookReading extends SpecReading {
  readonly kind: HookKind;
  /** As in messages: `the system call "openat"`. */
  readonly hookName: string;
  readonly args: readonly DeclaredArgument[];
  /** What the call returns; missing when it is not told. */
  readonly returns?: DeclaredArgument;
  readonly overrideRefusal?: OverrideRefusal;
}

/** Names with what they stand for, which remember what nobody has asked for. */
export class NamedDefinitions<Definition> implements Definitions<Definition> {
  readonly #definitions = new Map<string, Definition>();
  readonly #used = new Set<string>();

  /** @returns whether the name was free */
  add(name: string, definition: Definition): boolean {
    if (this.#definitions.has(name)) return false;
    this.#definitions.set(name, definition);
    return true;
  }

  find(name: string): Definition | undefined {
    this.#used.add(name);
    return this.#definitions.get(name);
  }

  names(): string[] {
    return [...this.#definitions.keys()];
  }

  isUsed(name: string): boolean {
    return this.#used.has(name);
  }
}

/**
 * What a hook looks at: `args` and `returnArg`.
 *
 * @module
 */
import type { HookArgument } from "../model.ts";
import {
  ARGUMENT_TYPES,
  type ArgumentTypeRow,
  type HookKind,
  REFUSED_TYPES,
  typeNames,
} from "./argument_types.ts";
import { ARGUMENT } from "./hook_sections.ts";
import { listed, quoted } from "./policy_problem.ts";
import type { DeclaredArgument, SpecReading } from "./reading.ts";
import { type Fields, openSection, suggestion } from "./section.ts";
import type { YamlNode } from "./yaml_tree.ts";

/** What the kernel's program reads of one call. */
export const ARGUMENTS_MAX = 5;
/** Characters of `label`. */
const LABEL_LENGTH_MAX = 128;
/** Bytes of a buffer. */
const BUFFER_SIZE_MAX = 4095;

/** Highest index: registers that carry arguments, fields of a tracepoint. */
const INDEX_MAX: Readonly<Record<HookKind, number>> = {
  syscall: 5,
  kprobe: 4,
  tracepoint: 63,
  raw_tracepoint: 11,
  lsm: 4,
};

/** Whose arguments are read. */
interface ArgumentContext {
  readonly kind: HookKind;
  readonly hookName: string;
  readonly reading: SpecReading;
}

/** Reads `args`. */
export function readArguments(fields: Fields, context: ArgumentContext): DeclaredArgument[] {
  const items = fields.items("args");
  if (items.length > ARGUMENTS_MAX) {
    context.reading.problems.add(
      fields.spot("args"),
      `${context.hookName} has ${items.length} arguments`,
      `write ${ARGUMENTS_MAX} at most; a second entry for the same call may have others`,
    );
  }
  return items.slice(0, ARGUMENTS_MAX).map((item) => readArgument(item, context));
}

/** Reads `return` and `returnArg` of a kprobe; undefined when the end of the call is not seen. */
export function readReturn(fields: Fields, context: ArgumentContext): DeclaredArgument | undefined {
  const { problems } = context.reading;
  const node = fields.node("returnArg");
  if (!fields.boolean("return", false)) {
    if (node !== undefined) {
      const text = "returnArg has no effect without return";
      problems.add(fields.spot("returnArg"), text, "write return: true beside it");
    }
    return undefined;
  }
  if (node === undefined) {
    const hint = "write returnArg: with index: 0 and a type such as int";
    problems.add(fields.spot("return"), "what the call returns has no type", hint);
    return {};
  }
  const declared = readArgument(node, context, { isReturn: true });
  const { row, argument } = declared;
  if (row === undefined || argument === undefined || row.canReturn) return declared;
  const good = ARGUMENT_TYPES.filter(({ canReturn }) => canReturn).map(({ names }) => names[0]!);
  problems.add(
    { ...argument, path: `${node.path}.type`, found: row.names[0]! },
    `${row.names[0]} is not read at the end of a call`,
    `use ${listed(good)}`,
  );
  return {};
}

function readArgument(
  node: YamlNode,
  context: ArgumentContext,
  { isReturn = false }: { isReturn?: boolean } = {},
): DeclaredArgument {
  const { problems } = context.reading;
  const fields = openSection(node, ARGUMENT, context.reading);
  if (fields === undefined) return {};
  const index = fields.integer("index");
  const row = readType(fields, context);
  const declared: DeclaredArgument = {
    ...(index === undefined ? {} : { index }),
    ...(row === undefined ? {} : { row }),
  };
  const indexMax = isReturn ? 0 : INDEX_MAX[context.kind];
  if (index !== undefined && (index < 0 || index > indexMax)) {
    problems.add(
      fields.valueSpot("index"),
      `${isReturn ? "what a call returns" : context.hookName} has no index ${index}`,
      indexMax === 0 ? "write index: 0" : `write 0 to ${indexMax}`,
    );
    return declared;
  }
  if (index === undefined || row === undefined) return declared;
  const label = readLabel(fields, context);
  const size = readSize(fields, row, context);
  if (size === undefined) return declared;
  const argument: HookArgument = {
    index,
    type: row.type,
    ...(label === undefined ? {} : { label }),
    ...size,
    place: fields.place,
  };
  return { ...declared, argument };
}

function readType(fields: Fields, context: ArgumentContext): ArgumentTypeRow | undefined {
  const name = fields.text("type");
  if (name === undefined) return undefined;
  const { problems } = context.reading;
  const spot = fields.valueSpot("type");
  const row = ARGUMENT_TYPES.find(({ names }) => names.includes(name));
  if (row === undefined) {
    const refused = Object.hasOwn(REFUSED_TYPES, name) ? REFUSED_TYPES[name] : undefined;
    if (refused === undefined) {
      problems.add(spot, quoted(name, "is no type"), suggestion(name, typeNames()));
    } else problems.add(spot, `type ${name} is not supported: ${refused.reason}`, refused.nearest);
    return undefined;
  }
  if (row.hooks.includes(context.kind)) return row;
  problems.add(
    spot,
    `${context.hookName} has no ${name}`,
    context.kind === "syscall"
      ? "use string, fd or a number; or hook a function or LSM hook that has it"
      : "use it at the tracepoint raw_syscalls/sys_enter, or use a number",
  );
  return undefined;
}

function readLabel(fields: Fields, { reading }: ArgumentContext): string | undefined {
  const label = fields.text("label");
  if (label === undefined || label.length <= LABEL_LENGTH_MAX) return label;
  const text = `label has ${label.length} characters`;
  reading.problems.add(fields.spot("label"), text, `write ${LABEL_LENGTH_MAX} at most`);
  return undefined;
}

/** Of a char_buf the argument with its size; undefined when told. */
function readSize(
  fields: Fields,
  row: ArgumentTypeRow,
  { kind, hookName, reading: { problems } }: ArgumentContext,
): Pick<HookArgument, "sizeIndex" | "sizeMax"> | undefined {
  const [position, sizeMax] = [fields.integer("sizeArgIndex"), fields.integer("sizeMax")];
  if (row.type !== "char_buf") {
    for (const key of ["sizeArgIndex", "sizeMax"]) {
      // 0 is how the published form writes that there is none.
      if (!fields.has(key) || fields.integer(key) === 0) continue;
      problems.add(fields.spot(key), `${row.names[0]} has no ${key}`, "use type char_buf");
      return undefined;
    }
    return {};
  }
  const indexMax = INDEX_MAX[kind];
  if (position === undefined || position < 1 || position > indexMax + 1) {
    problems.add(
      fields.valueSpot("sizeArgIndex"),
      position === undefined
        ? "a char_buf has no sizeArgIndex"
        : `${hookName} has no argument ${position}`,
      `write which argument has the size, 1 to ${indexMax + 1}: index 2 is 3 here`,
    );
    return undefined;
  }
  if (sizeMax === undefined) return { sizeIndex: position - 1 };
  if (sizeMax >= 1 && sizeMax <= BUFFER_SIZE_MAX) return { sizeIndex: position - 1, sizeMax };
  problems.add(
    fields.valueSpot("sizeMax"),
    `sizeMax is ${sizeMax}`,
    `write 1 to ${BUFFER_SIZE_MAX}`,
  );
  return undefined;
}

/**
 * Conditions on what a call has and returns: `matchArgs`, `matchReturnArgs`.
 *
 * @module
 */
import type { Condition, Subject, ValuePart } from "../model.ts";
import type { ArgumentTypeRow } from "./argument_types.ts";
import {
  findOperator,
  operatorNames,
  type OperatorRow,
  OPERATORS,
  REFUSED_OPERATORS,
} from "./operators.ts";
import { listed, quoted } from "./policy_problem.ts";
import { readTest } from "./read_values.ts";
import type { DeclaredArgument, HookReading } from "./reading.ts";
import { describe, type Fields, openSection, spotOf, suggestion } from "./section.ts";
import { MATCH_ARGUMENT, MATCH_RETURN } from "./selector_sections.ts";
import type { YamlNode } from "./yaml_tree.ts";

/** One of `matchArgs`. */
export function readArgumentCondition(
  node: YamlNode,
  reading: HookReading,
): Condition | undefined {
  const fields = openSection(node, MATCH_ARGUMENT, reading);
  if (fields === undefined) return undefined;
  const position = readPosition(fields, reading);
  const declared = position === undefined ? undefined : reading.args[position];
  return readComparison(fields, declared, {
    reading,
    subject: (part) => ({ of: "argument", position: position!, part }),
  });
}

/** One of `matchReturnArgs`. */
export function readReturnCondition(node: YamlNode, reading: HookReading): Condition | undefined {
  const fields = openSection(node, MATCH_RETURN, reading);
  if (fields === undefined) return undefined;
  const index = fields.integer("index") ?? 0;
  if (index !== 0) {
    const spot = fields.valueSpot("index");
    reading.problems.add(spot, `what a call returns has no index ${index}`, "write index: 0");
  }
  return readComparison(fields, reading.returns, { reading, subject: () => ({ of: "return" }) });
}

/** Position in `args`, by `index` or by `args`; undefined when told. */
function readPosition(fields: Fields, reading: HookReading): number | undefined {
  const { problems, hookName } = reading;
  const [byIndex, byPosition] = [fields.has("index"), fields.has("args")];
  if (byIndex === byPosition) {
    problems.add(
      byIndex ? fields.spot("args") : fields,
      byIndex ? "a condition has index and args" : "a condition has no index",
      byIndex ? "keep one of them" : "write index: with that of the argument",
    );
    return undefined;
  }
  if (byPosition) return readListedPosition(fields, reading);
  const index = fields.integer("index")!;
  const position = reading.args.findIndex((declared) => declared.index === index);
  if (position >= 0) return position;
  // An argument without a readable index may be the one that is meant; that has been told.
  if (reading.args.some((declared) => declared.index === undefined)) return undefined;
  const known = reading.args.filter(({ argument }) => argument !== undefined)
    .map((declared) => String(declared.index));
  problems.add(
    fields.valueSpot("index"),
    `${hookName} declares no argument with index ${index}`,
    known.length === 0
      ? `declare it: args: [{index: ${index}, type: ...}]`
      : `declare it below args, or use ${listed(known)}`,
  );
  return undefined;
}

function readListedPosition(fields: Fields, reading: HookReading): number | undefined {
  const items = fields.items("args");
  const [item] = items;
  if (items.length !== 1 || item === undefined) {
    const text = `args has ${items.length} positions`;
    reading.problems.add(fields.spot("args"), text, "write one: args: [0]");
    return undefined;
  }
  const position = item.kind === "scalar" && /^[0-9]{1,2}$/.test(item.text)
    ? Number(item.text)
    : undefined;
  if (position !== undefined && position < reading.args.length) return position;
  reading.problems.add(
    spotOf(item),
    `${describe(item)} is no position in args of ${reading.hookName}`,
    reading.args.length === 0
      ? "declare the argument below args"
      : `write 0 to ${reading.args.length - 1}; index says which argument of the function`,
  );
  return undefined;
}

function readComparison(
  fields: Fields,
  declared: DeclaredArgument | undefined,
  { reading, subject }: { reading: HookReading; subject: (part: ValuePart) => Subject },
): Condition | undefined {
  const operator = readOperator(fields, reading);
  const row = declared?.row;
  if (operator === undefined || row === undefined) return undefined;
  if (!row.operators.includes(operator.names[0]!)) {
    refuseOperator(fields, row, reading);
    return undefined;
  }
  const form = operator.form ?? row.form;
  if (form === undefined) {
    throw new Error(`type ${row.type} has no values for ${operator.names[0]}`);
  }
  const test = readTest(fields, { test: operator.test, form }, reading);
  if (test === undefined || declared?.argument === undefined) return undefined;
  if (operator.isNegated && operator.part !== "value") noteAddresses(fields, reading);
  return {
    subject: subject(partOf(operator, row)),
    test,
    isNegated: operator.isNegated,
    place: fields.place,
  };
}

function readOperator(fields: Fields, { problems }: HookReading): OperatorRow | undefined {
  const name = fields.text("operator");
  if (name === undefined) return undefined;
  const operator = findOperator(name);
  if (operator !== undefined) return operator;
  const spot = fields.valueSpot("operator");
  const refused = Object.hasOwn(REFUSED_OPERATORS, name) ? REFUSED_OPERATORS[name] : undefined;
  if (refused === undefined) {
    problems.add(spot, quoted(name, "is no operator"), suggestion(name, operatorNames()));
  } else {problems.add(
      spot,
      `operator ${name} is not supported: ${refused.reason}`,
      refused.nearest,
    );}
  return undefined;
}

function refuseOperator(fields: Fields, row: ArgumentTypeRow, { problems }: HookReading): void {
  const name = fields.text("operator")!;
  const spot = fields.valueSpot("operator");
  const [type] = row.names;
  if (row.operators.length === 0) {
    problems.add(
      spot,
      `values of type ${type} are not compared`,
      row.nearest ?? "use another type",
    );
    return;
  }
  const text = `operator ${name} does not fit type ${type}`;
  problems.add(spot, text, `${type} takes ${listed(row.operators, OPERATORS.length)}`);
}

/** People who write "not these networks" may think of sockets that have no address at all. */
function noteAddresses(fields: Fields, { problems }: HookReading): void {
  problems.note(
    fields.valueSpot("operator"),
    `${
      fields.text("operator")
    } matches IPv4 and IPv6 only: AF_UNIX, AF_NETLINK and the like have no address`,
    "to match those too, add a selector with operator: Family, values: [AF_UNIX, AF_NETLINK]",
  );
}

/** Of an address there is one end: that which a socket would call its destination. */
function partOf({ part }: OperatorRow, { type }: ArgumentTypeRow): ValuePart {
  if (type !== "sockaddr") return part;
  if (part === "source_address") return "destination_address";
  return part === "source_port" ? "destination_port" : part;
}

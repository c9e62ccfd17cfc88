/**
 * Sums over the flows in an agent's output.
 *
 * @module
 */

/** What the flows of some processes carried. */
export interface FlowTotals {
  readonly rows: number;
  readonly connections: number;
  readonly sent: number;
  readonly received: number;
  /** Rows that stand for what had no room of its own. */
  readonly others: number;
}

/** A line as far as it is read. */
interface FlowLine {
  readonly flow?: {
    readonly other?: boolean;
    readonly process?: { readonly pid: number };
    readonly connections: number;
    readonly traffic: { readonly bytes_sent: string; readonly bytes_received: string };
  };
}

/** What nothing comes to. */
export const NO_FLOWS: FlowTotals = { rows: 0, connections: 0, sent: 0, received: 0, others: 0 };

/**
 * Adds up the flows of processes; lines that are no flows of theirs are left out.
 *
 * @param before what lines before these came to
 */
export function sumFlows(
  lines: readonly string[],
  pids: ReadonlySet<number>,
  before = NO_FLOWS,
): FlowTotals {
  const totals = { ...before };
  for (const line of lines) {
    if (!line.startsWith('{"flow":')) continue;
    const { flow } = JSON.parse(line) as FlowLine;
    if (flow?.other === true) totals.others += 1;
    if (flow?.process === undefined || !pids.has(flow.process.pid)) continue;
    totals.rows += 1;
    totals.connections += flow.connections;
    totals.sent += Number(flow.traffic.bytes_sent);
    totals.received += Number(flow.traffic.bytes_received);
  }
  return totals;
}

/**
 * What `run` says at its end.
 *
 * @module
 */

/** The figures. */
export interface SummaryFigures {
  readonly durationMs: number;
  /** Events written, by type; gaps are among them. */
  readonly events: ReadonlyMap<string, number>;
  /** Records and events lost, by cause. */
  readonly lost: ReadonlyMap<string, number>;
  readonly cpuMs: number;
  /** Highest resident size, bytes. */
  readonly memoryPeakSize: number;
  /** Time before this run in which no agent watched; what it missed is not lost by this run. */
  readonly absence?: { readonly durationMs: number; readonly forks: number };
}

/** Two or three lines for people, with their line feeds. */
export function formatSummary(figures: SummaryFigures): string {
  const { durationMs, events, lost, cpuMs, memoryPeakSize, absence } = figures;
  const seconds = (durationMs / 1000).toFixed(1);
  const share = durationMs === 0 ? 0 : cpuMs / durationMs * 100;
  const memory = Math.round(memoryPeakSize / 1024 ** 2);
  return `shrike: ${seconds} s, ${countsText(events, "events")}, ${countsText(lost, "lost")}\n` +
    `shrike: CPU ${(cpuMs / 1000).toFixed(2)} s (${share.toFixed(1)} % of one), ` +
    `memory peak ${memory} MiB\n${absenceText(absence)}`;
}

function absenceText(absence: SummaryFigures["absence"]): string {
  if (absence === undefined) return "";
  const { durationMs, forks } = absence;
  return `shrike: no agent watched in the ${(durationMs / 1000).toFixed(1)} s before; ` +
    `the host made ${forks} threads and processes in them\n`;
}

/** "12 events (process_exec 7, process_exit 5)"; "0 lost". */
function countsText(counts: ReadonlyMap<string, number>, what: string): string {
  let total = 0;
  const parts: string[] = [];
  for (const [name, count] of counts) {
    total += count;
    parts.push(`${name} ${count}`);
  }
  return `${total} ${what}${parts.length === 0 ? "" : ` (${parts.join(", ")})`}`;
}

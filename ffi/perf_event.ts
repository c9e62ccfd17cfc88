/**
 * perf_event_open(2) and the ring it maps: the few constants we need of <linux/perf_event.h>.
 *
 * @module
 */
import { PERF_EVENT_ATTR, PERF_EVENT_MMAP_PAGE } from "./struct_layouts.ts";

const PERF_TYPE_SOFTWARE = 1;
const PERF_COUNT_SW_BPF_OUTPUT = 10n;
const PERF_SAMPLE_RAW = 1n << 10n;
const PERF_FORMAT_TOTAL_TIME_RUNNING = 1n << 1n;
const ATTR_FLAG_WATERMARK = 1n << 14n;

/** Sends one event's output into the ring of another. Argument: that event's descriptor. */
export const PERF_EVENT_IOC_SET_OUTPUT = 0x2405;

/** Type in the header of a record in a perf ring. */
export const PerfRecordType = { LOST: 2, SAMPLE: 9 } as const;

/** Byte offsets in the first page of a mapped ring: both are u64 that only grow. */
export const PERF_RING_DATA_HEAD = PERF_EVENT_MMAP_PAGE.data_head;
export const PERF_RING_DATA_TAIL = PERF_EVENT_MMAP_PAGE.data_tail;

/**
 * A software event that bpf_perf_event_output() may write to. Exactly one decides when a poller is
 * woken.
 */
export type PerfEventOptions =
  | { readonly wakeupEvents: number }
  | { readonly wakeupWatermarkSize: number };

/** `struct perf_event_attr` of an enabled PERF_COUNT_SW_BPF_OUTPUT event. */
export function encodePerfEventAttr(options: PerfEventOptions): Uint8Array<ArrayBuffer> {
  const attr = new Uint8Array(PERF_EVENT_ATTR.SIZE);
  const view = new DataView(attr.buffer);
  view.setUint32(PERF_EVENT_ATTR.type, PERF_TYPE_SOFTWARE, true);
  view.setUint32(PERF_EVENT_ATTR.size, PERF_EVENT_ATTR.SIZE, true);
  view.setBigUint64(PERF_EVENT_ATTR.config, PERF_COUNT_SW_BPF_OUTPUT, true);
  view.setBigUint64(PERF_EVENT_ATTR.sample_period, 1n, true);
  view.setBigUint64(PERF_EVENT_ATTR.sample_type, PERF_SAMPLE_RAW, true);
  view.setBigUint64(PERF_EVENT_ATTR.read_format, PERF_FORMAT_TOTAL_TIME_RUNNING, true);
  if ("wakeupEvents" in options) {
    view.setUint32(PERF_EVENT_ATTR.wakeup, options.wakeupEvents, true);
  } else {
    view.setBigUint64(PERF_EVENT_ATTR.flags, ATTR_FLAG_WATERMARK, true);
    view.setUint32(PERF_EVENT_ATTR.wakeup, options.wakeupWatermarkSize, true);
  }
  return attr;
}

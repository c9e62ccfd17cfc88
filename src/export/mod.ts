/**
 * Events to the outside: sinks with a bounded queue each, the forms they write, the filter before
 * them.
 *
 * @module
 */
export { amountText } from "./amount_text.ts";
export { CompactEncoder, type CompactEncoderOptions, wantsColour } from "./compact_encoder.ts";
export { EventFilter, type EventFilterOptions } from "./event_filter.ts";
export type { EventSink } from "./event_sink.ts";
export { FilterError } from "./filter_expression.ts";
export { JsonEncoder, type JsonEncoderOptions } from "./json_encoder.ts";
export type { LineEncoder } from "./line_encoder.ts";
export { openStdoutWriter, type OutputWriter, type StdoutWriterOptions } from "./output_writer.ts";
export { type SinkEnd, StreamSink, type StreamSinkOptions } from "./stream_sink.ts";
export { TableEncoder, type TableEncoderOptions } from "./table_encoder.ts";
export { columnsOf, cutToColumns, fitToColumns } from "./terminal_columns.ts";
export { terminalArguments, terminalString, terminalText } from "./terminal_text.ts";
export { formatSpan } from "./timestamp.ts";
export {
  hostUserName,
  UserNames,
  type UserNamesOptions,
  type UserNaming,
  userText,
} from "./user_names.ts";
export { workloadFilter } from "./workload_filter.ts";
export { workloadJson } from "./workload_json.ts";
export type { Verdict } from "./workload_conditions.ts";

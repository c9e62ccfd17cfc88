/**
 * HTTP for the control socket and the metrics endpoint: small, and with a bound for everything.
 *
 * @module
 */
export {
  type HttpAnswer,
  type HttpHandler,
  type HttpLimits,
  HttpServer,
  type ListenPlace,
  type Refusal,
} from "./http_server.ts";
export { type HttpBody, type HttpRequest } from "./request_reader.ts";
export { RefusalLog } from "./refusal_log.ts";

/**
 * The only code that calls postMessage.
 *
 * @module
 */

/** What `Worker` and a worker's own global have in common. */
export interface MessageEndpoint {
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

/** An endpoint that sends and receives messages of given types. */
export class TypedPort<Send, Receive> {
  readonly #endpoint: MessageEndpoint;

  constructor(endpoint: MessageEndpoint, receive: (message: Receive) => void) {
    this.#endpoint = endpoint;
    endpoint.onmessage = (event) => receive(event.data as Receive);
  }

  send(message: Send): void {
    this.#endpoint.postMessage(message);
  }

  /** Receives no more. */
  close(): void {
    this.#endpoint.onmessage = null;
  }
}

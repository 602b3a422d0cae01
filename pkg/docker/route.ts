/** What an endpoint of Docker's API is. */
import type { Call } from './call.ts';
import type { Engine } from './engine.ts';

/** One endpoint. */
export interface Route {
  /** As in Docker's reference, such as `/containers/{id}/json`. */
  readonly path: string;
  readonly method: 'DELETE' | 'GET' | 'HEAD' | 'POST' | 'PUT';
  handle(call: Call, engine: Engine): Promise<void> | void;
}

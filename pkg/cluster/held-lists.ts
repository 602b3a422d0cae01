/**
 * Has the components of a large cluster begin with their copies of it once its nodes are Ready. In one process whoever reads tens of thousands of objects
 * keeps all others waiting, and what a start is waited for needs none of them. Nodes wait with their pods alone, which have to be found among all others, and
 * come before everybody else.
 *
 * Invariant: nothing waits longer than `heldMsMax`, nor after the end of the cluster. What is not the state of a whole collection does not wait.
 */
import type { ApiRequest } from '#pkg/apimachinery/http.ts';
import { aborted, sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Transport } from '#pkg/client/client.ts';

/** Objects from which a cluster is large: a copy of fewer takes some ten milliseconds. */
export const largeObjectsMin = 2_000;

/**
 * Longest wait: nodes that do not come are no reason to have no controllers. On a machine that does much else they take ten seconds and more, and then copies that
 * did not wait for them have them take twenty.
 */
const heldMsMax = 20_000;

/** After the nodes are Ready: who waits for just that is told first. */
const afterReadyMs = { nodes: 50, others: 100 };

/** When the wait is over. */
export interface HeldListsOptions {
  readonly clock: Clock;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Resolves once the nodes are Ready; may reject. */
  readonly ready: Promise<unknown>;
}

/** Transports whose requests for whole states wait. */
export interface HeldLists {
  readonly nodes: (transport: Transport) => Transport;
  readonly others: (transport: Transport) => Transport;
}

/** Both wait for the same moment, the others a little longer. */
export function holdLists(options: HeldListsOptions): HeldLists {
  return {
    nodes: holdUntil(options, { afterMs: afterReadyMs.nodes, holds: isOfPods }),
    others: holdUntil(options, { afterMs: afterReadyMs.others, holds: () => true }),
  };
}

/** Which of the requests for whole states wait, and until when. */
interface Hold {
  readonly afterMs: number;
  readonly holds: (request: ApiRequest) => boolean;
}

function holdUntil(
  { clock, signal, ready }: HeldListsOptions,
  { afterMs, holds }: Hold,
): (transport: Transport) => Transport {
  const readied = ready.then(
    () => sleep(clock, afterMs, signal),
    () => undefined,
  );
  let isOver = false;
  const over = Promise.race([readied, sleep(clock, heldMsMax, signal)]).then(() => {
    isOver = true;
  });
  return (transport) => ({
    ...transport,
    request: (request) => {
      if (isOver || !isOfWholeState(request) || !holds(request)) return transport.request(request);
      return Promise.race([over, aborted(request.signal)]).then(() => transport.request(request));
    },
  });
}

function isOfPods({ path }: ApiRequest): boolean {
  return path.endsWith('/pods');
}

/** Whether a request is a copy's first: a watch that begins with what there is, which is how components in the server's process ask. */
function isOfWholeState({ method, query }: ApiRequest): boolean {
  return method === 'GET' && query.includes('sendInitialEvents=true');
}

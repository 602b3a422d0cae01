/**
 * Signals for single requests under one that lives long, such as that of a component. Listening to a signal, and ceasing to, takes as long as it has listeners: with
 * hundreds of requests under way, or thousands of nodes in a process, that is more than the requests themselves. Here a signal is heard once, whatever asks under it.
 */

/** The requests under way, by the signal that ends them. */
const underWay = new WeakMap<AbortSignal, Set<AbortController>>();

/** A signal for one request. */
export interface RequestSignal {
  /** Aborted with the signal that it was made for, for the same reason. */
  readonly signal: AbortSignal;
  /** Forgets it; to be called when the request has ended. */
  leave(): void;
}

/** A signal that ends with `parent`, and costs the same however many others do. */
export function requestSignal(parent: AbortSignal): RequestSignal {
  const controller = new AbortController();
  if (parent.aborted) {
    controller.abort(parent.reason);
    return { signal: controller.signal, leave: () => {} };
  }
  const requests = underWay.get(parent) ?? begin(parent);
  requests.add(controller);
  return { signal: controller.signal, leave: () => void requests.delete(controller) };
}

function begin(parent: AbortSignal): Set<AbortController> {
  const requests = new Set<AbortController>();
  underWay.set(parent, requests);
  parent.addEventListener(
    'abort',
    () => {
      for (const request of requests) request.abort(parent.reason);
    },
    { once: true },
  );
  return requests;
}

/** A watch whose events are kept, for tests that say what a watcher must have seen. */
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import type { ClientWatchEvent, WatchCallOptions } from '#pkg/client/client.ts';
import type { Stage } from './behaviour.ts';

export interface Observer<T extends KubeObject> {
  /** What came, in order, without bookmarks. */
  readonly events: readonly { readonly type: string; readonly object: T }[];
  readonly bookmarks: readonly string[];
  /** `ADDED name`, one for each event. */
  readonly lines: readonly string[];
  /** Why the server ended the watch, if it did with an error. */
  readonly error: StatusError | undefined;
  /** Lets time pass until an event of this type for an object for which `holds` holds has come; returns the object. */
  saw(type: string, holds?: (object: T) => boolean): Promise<T>;
  stop(): Promise<void>;
}

/** Starts to watch. */
export function observe<T extends KubeObject>(
  stage: Stage,
  ref: ResourceRef<T>,
  options: WatchCallOptions = {},
): Observer<T> {
  const events: { readonly type: string; readonly object: T }[] = [];
  const bookmarks: string[] = [];
  const controller = new AbortController();
  let error: StatusError | undefined;
  const keep = (event: ClientWatchEvent<T>): void => {
    if (event.type === 'BOOKMARK') bookmarks.push(event.resourceVersion);
    else events.push({ type: event.type, object: event.object });
  };
  const run = async (): Promise<void> => {
    try {
      const batches = stage.of(ref).watch({ ...options, signal: controller.signal });
      for await (const batch of batches) for (const event of batch) keep(event);
    } catch (thrown) {
      if (thrown instanceof StatusError) error = thrown;
      else if (!controller.signal.aborted) throw thrown;
    }
  };
  const ended = run();
  return {
    events,
    bookmarks,
    get lines() {
      return events.map(({ type, object }) => `${type} ${object.metadata?.name}`);
    },
    get error() {
      return error;
    },
    async saw(type, holds = () => true) {
      const find = () => events.find((event) => event.type === type && holds(event.object));
      await stage.cluster.until(() => find() !== undefined);
      return find()!.object;
    },
    async stop() {
      controller.abort();
      await ended;
    },
  };
}

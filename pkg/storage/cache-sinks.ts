/** Sinks before the sinks of watchers: one for each watch, which may leave out what its watcher has seen already. */
import type { CacheSink } from './cache.ts';

/** A sink of its own for each watch, so that the same sink may watch twice. */
export function sharedSink(sink: CacheSink): CacheSink {
  return {
    wantsProgress: sink.wantsProgress ?? true,
    onEvents: (events) => sink.onEvents(events),
    onProgress: (revision) => sink.onProgress(revision),
    onError: (error) => sink.onError(error),
  };
}

/** For a watch from a revision that the cache has not reached: leaves out what comes before it. */
export function skipUntil(sink: CacheSink, afterRevision: number): CacheSink {
  return {
    wantsProgress: sink.wantsProgress ?? true,
    onEvents: (events) => {
      const wanted = events.filter((event) => event.revision > afterRevision);
      if (wanted.length > 0) sink.onEvents(wanted);
    },
    onProgress: (revision) => {
      if (revision >= afterRevision) sink.onProgress(revision);
    },
    onError: (error) => sink.onError(error),
  };
}

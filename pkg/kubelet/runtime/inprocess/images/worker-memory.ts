/**
 * Memory that the start of a program has left: sources, code that ran once, pages with little on them. A small heap holds as much of that as of what
 * lives, and V8 has no reason to look, so it is asked to, once. Only the host's own flag gives the means (`--expose-gc`), which programs do not have, but threads that they
 * start themselves do.
 */
import { getHeapStatistics } from 'node:v8';

/** A larger heap is not looked through: it would take more than some milliseconds, and V8 has collected there by itself. */
const heapBytesMax = 16 * 2 ** 20;

type Collect = (options: {
  readonly type: 'major';
  readonly execution: 'sync';
  readonly flavor: 'last-resort';
}) => void;

/** Takes what collects garbage from the program's reach; gives what calls it for a heap that is small. */
export function takeCollector(): () => void {
  const scope = globalThis as { gc?: Collect | undefined };
  const collect = scope.gc;
  // It cannot be deleted.
  scope.gc = undefined;
  return () => {
    if (getHeapStatistics().used_heap_size > heapBytesMax) return;
    // The kind that gives pages back.
    collect?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  };
}

/** Which runtime of a node runs a pod, by the handler that its RuntimeClass names: a runtime of the node, or a way of one of them to run pods. Pure. */
import type { Runtime } from '../runtime/runtime.ts';

/** The runtimes of a node. */
export interface NodeRuntimes {
  /** By their names. */
  readonly runtimes: Readonly<Record<string, Runtime>>;
  /** Name of the one for pods without a RuntimeClass. */
  readonly defaultRuntime: string;
}

/** A runtime, and by which of several ways of its own it is to run a pod; absent for its default. */
export interface ChosenRuntime {
  readonly runtime: Runtime;
  readonly handler?: string;
}

/** The runtime for a handler, or for pods that name none; undefined where the node has none for it. A runtime of the node goes before another's handler of its name. */
export function chooseRuntime(
  handler: string | undefined,
  { runtimes, defaultRuntime }: NodeRuntimes,
): ChosenRuntime | undefined {
  const name = handler ?? defaultRuntime;
  const own = Object.hasOwn(runtimes, name) ? runtimes[name] : undefined;
  if (own !== undefined) return { runtime: own };
  if (handler === undefined) return undefined;
  const runtime = Object.values(runtimes).find(({ capabilities }) => capabilities.handlers?.has(handler) === true);
  return runtime === undefined ? undefined : { runtime, handler };
}

/** All handlers that a RuntimeClass may name, in the order of their names. */
export function handlersOf(runtimes: NodeRuntimes['runtimes']): readonly string[] {
  const inner = Object.values(runtimes).flatMap(({ capabilities }) => [...(capabilities.handlers ?? [])]);
  return [...new Set([...Object.keys(runtimes), ...inner])].sort();
}

/** The programs that make the containers of a node: one for pods that name none, and others by the handlers of RuntimeClasses. Pure. */
import { RuntimeError } from '../runtime.ts';

/** Paths of OCI runtimes. */
export interface OciRuntimes {
  /** For pods without a handler. */
  readonly first: string;
  readonly byHandler: Readonly<Record<string, string>>;
}

/** The one for a handler, or for pods without one. Throws `RuntimeError` for a handler that there is no program for. */
export function ociRuntimeOf({ first, byHandler }: OciRuntimes, handler: string | undefined): string {
  if (handler === undefined) return first;
  const path = Object.hasOwn(byHandler, handler) ? byHandler[handler] : undefined;
  if (path === undefined) throw new RuntimeError('failed', `no runtime for "${handler}" is configured`);
  return path;
}

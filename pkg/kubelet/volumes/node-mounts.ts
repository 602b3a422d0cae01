/**
 * Paths of the machine that a node has at paths of its own: hostPath volumes, and persistent volumes that are such paths, find them there. All other paths
 * are the machine's. Upstream counterpart: `extraMounts` of kind, whose nodes are containers.
 */
import { join, normalize } from 'node:path';

/** One of them; both paths are absolute. */
export interface NodeMount {
  /** Where it is on the machine. */
  readonly hostPath: string;
  /** Where pods of the node find it. */
  readonly containerPath: string;
  /** Whether no container of the node may write there. Default: false. */
  readonly readOnly?: boolean;
}

/** A place on the machine. */
export interface MachinePath {
  readonly path: string;
  /** Whether the node has it read-only. */
  readonly isReadOnly: boolean;
}

/** Where a path of the node is on the machine: in the deepest mount that it is at or below, else as it says. */
export function mountedPath(path: string, mounts: readonly NodeMount[]): MachinePath {
  const wanted = withoutEnd(path);
  const [deepest] = mounts
    .filter(({ containerPath }) => isWithin(wanted, withoutEnd(containerPath)))
    .toSorted((a, b) => withoutEnd(b.containerPath).length - withoutEnd(a.containerPath).length);
  if (deepest === undefined) return { path, isReadOnly: false };
  const { containerPath, hostPath, readOnly = false } = deepest;
  return { path: join(hostPath, wanted.slice(withoutEnd(containerPath).length)), isReadOnly: readOnly };
}

/** `containerPath=hostPath`; whether it is read-only is not in it. */
export function mountText({ containerPath, hostPath }: Pick<NodeMount, 'containerPath' | 'hostPath'>): string {
  return `${containerPath}=${hostPath}`;
}

/** The mount of such a text; undefined for what is none. */
export function parseMount(text: string): NodeMount | undefined {
  const [, containerPath, hostPath] = /^(\/[^=]*)=(\/.*)$/s.exec(text) ?? [];
  return containerPath === undefined || hostPath === undefined ? undefined : { containerPath, hostPath };
}

/** Of `/` nothing is left, so that every path is below it. */
function withoutEnd(path: string): string {
  return normalize(path).replace(/\/$/, '');
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

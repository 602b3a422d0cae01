/** Which OCI runtimes make the containers of a node, as a flag says them: `runc`, `/opt/bin/crun`, or several with commas between them. Pure. */
import { basename } from 'node:path';
import type { ComponentFlags } from './settings.ts';

/** What Debian has, and what every kind of host takes. */
export const ociRuntimesDefault = 'runc';

/** The programs of a value: names, or paths that begin with `/`. The first is for pods without a handler of their own. */
export function ociProgramsOf(value: string): readonly string[] {
  return value.split(',');
}

/** The handler by which a RuntimeClass names a program: the last part of its path. */
export function handlerOfProgram(program: string): string {
  return basename(program);
}

/** Why a value says no programs; undefined where it does. */
export function ociRuntimesProblem(value: string): string | undefined {
  const programs = ociProgramsOf(value);
  if (!programs.every((program) => /^(?:\/.*)?[\w][\w.-]*$/.test(program)))
    return 'must be the name of a program, or a path that begins with /, or several with commas between them';
  const handlers = programs.map(handlerOfProgram);
  const twice = handlers.find((handler, index) => handlers.indexOf(handler) !== index);
  return twice === undefined ? undefined : `must name one program "${twice}" only, as handlers are told apart by that`;
}

/** The value that the nodes of a cluster are told of. */
export function ociRuntimesOf(flags: ComponentFlags): string {
  return flags['kubelet']?.['oci-runtime'] ?? ociRuntimesDefault;
}

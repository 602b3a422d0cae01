/** Programs of the machine that clusters use, and what of a network of the kernel's a machine lacks. */
import { accessSync, constants } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';

/** Where programs of the system are: a service's PATH often has not all of them. */
const programFolders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** Without which there is no network of the kernel's, each with the package that has it. */
const networkPrograms: readonly (readonly [program: string, pack: string])[] = [
  ['ip', 'iproute2'],
  ['nft', 'nftables'],
  ['nsenter', 'util-linux'],
];

/** The path of a program, which is one already or a name; undefined where none can be run. */
export function findProgram(name: string): string | undefined {
  return (name.startsWith('/') ? [name] : programFolders.map((folder) => join(folder, name))).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Why this machine gives pods no network namespaces, in one sentence; undefined where it does. */
export function networkProblem(): string | undefined {
  if (userInfo().uid !== 0) return 'network namespaces are made by root alone';
  const missing = networkPrograms.find(([program]) => findProgram(program) === undefined);
  return missing === undefined ? undefined : `there is no program "${missing[0]}": install ${missing[1]}`;
}

/**
 * What people are told when the system refuses something, by the system's code: one line that says what cannot be done and what to do about it. The one
 * table of these; `docs/errors.md` shows every row. An error without a row is told by its own message.
 */

/** What is known of such an error. */
export interface SystemFault {
  readonly port: string;
  readonly path: string;
  readonly code: string;
}

/** Lines by code; `<code> <call>` is for that call of the system alone and comes first. */
export const systemErrors: Readonly<Record<string, (fault: SystemFault) => string>> = {
  EADDRINUSE: ({ port }) =>
    `Cannot listen on port ${port} as another program uses it: stop that program, or choose a port with --api-port`,
  'EACCES listen': reservedPort,
  'EACCES bind': reservedPort,
  'EPERM listen': reservedPort,
  'EPERM bind': reservedPort,
  ENOSPC: () => 'Cannot write to the disk as it is full: free some space, or choose another folder with --data-dir',
  EDQUOT: () =>
    'Cannot write to the disk as your quota is used up: free some space, or choose another folder with --data-dir',
  ENOTDIR: inTheWay,
  EEXIST: inTheWay,
  'ENOENT mkdir': ({ path }) =>
    `Cannot make ${path} as the system does not let anybody: choose another folder with --data-dir`,
  EROFS: unwritable,
  EACCES: unwritable,
  EPERM: unwritable,
};

function reservedPort({ port }: SystemFault): string {
  return `Cannot listen on port ${port} as it is reserved: choose one from 1024 up with --api-port`;
}

function inTheWay({ path }: SystemFault): string {
  return `Cannot use ${path} as something on the way to it is not a folder: choose another with --data-dir`;
}

function unwritable({ path, code }: SystemFault): string {
  return `Cannot write ${path} (${code}): check its permissions, or choose another folder with --data-dir`;
}

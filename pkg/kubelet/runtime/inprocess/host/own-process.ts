/** What the runtime has to know of the process that it is in, and do to others of its user. */

/** The process that this code runs in: the owner of its programs. */
export function ownPid(): number {
  return process.pid;
}

/** Kills a process. One that has ended by itself, or is another user's, is left. */
export function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // As it was.
  }
}

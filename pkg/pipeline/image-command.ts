/** How steps make images for real containers: by `coxswain image`, as a process of the machine whose nodes run them. */

/** The runtime that runs images of Dockerfiles. */
const containerRuntime = 'container';

/** The words of `coxswain image` for a cluster, with the flag that says whose images; undefined where no node runs them. */
export function imageCommandOf({
  runtimes,
  command,
  dataDir,
}: {
  readonly runtimes: readonly string[];
  /** The words of `coxswain` itself. */
  readonly command: readonly string[];
  readonly dataDir: string;
}): readonly string[] | undefined {
  return runtimes.includes(containerRuntime) ? [...command, 'image', `--data-dir=${dataDir}`] : undefined;
}

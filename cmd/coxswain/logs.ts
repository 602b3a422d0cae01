/**
 * `coxswain logs`: what the processes of a cluster have written to their logs; with `--export` a folder with all that a report of a fault needs
 * (`export-cluster.ts`). A cluster that runs in a terminal writes to that and has none.
 */
import { open, readdir } from 'node:fs/promises';
import { runningProcesses } from '#cmd/common/process-files.ts';
import { textOf } from '#pkg/apimachinery/decode.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import { type FlagTable, helpText, integer, parseFlags, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { clusterFlags } from './cluster-flags.ts';
import { ClusterFolder } from './folder.ts';
import { checkName, dataFolder, type World } from './world.ts';

const flags = {
  ...clusterFlags,
  tail: integer({ help: 'Only that many of the last lines of each; 0 for all.', fallback: 0 }),
  export: text({
    help: 'Write logs, objects, events, versions and the cluster file into this new folder in place of printing. Secrets are left out.',
    placeholder: 'folder',
  }),
} satisfies FlagTable;

/** Bytes at the end of a log among which its last lines are looked for. */
const tailBytesMax = 16 << 20;
/** Bytes of a log that are read at a time. */
const chunkBytes = 1 << 20;

/** Runs the command; resolves to its exit code. Throws `UserError` where there are no such logs, and for a folder that has something in it. */
export async function logs(world: World, args: readonly string[]): Promise<number> {
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} (see "coxswain logs --help")`);
  if (parsed.help) {
    const summary = 'Show what the processes of a cluster have written, or export all that a report of a fault needs.';
    world.write(helpText(flags, { usage: 'coxswain logs [PROCESS...] [flags]', summary }));
    return 0;
  }
  const { values, rest } = parsed;
  checkName(values.name);
  const folder = new ClusterFolder(dataFolder(world, { name: values.name, dataDir: values['data-dir'] }));
  const record = await folder.read();
  if (record === undefined) throw new UserError(`Cannot find a cluster in ${folder.path}`);
  if (values.export !== '') {
    if (rest.length > 0) throw new UserError('Cannot export the logs of single processes: leave their names out');
    const running = await runningProcesses(folder.run);
    return (await import('./export-cluster.ts')).exportCluster(world, { folder, record, running, into: values.export });
  }
  const there = await logNames(folder);
  const missing = rest.find((name) => !there.includes(name));
  if (missing !== undefined || there.length === 0) throw noLogs(folder, missing, there);
  const names = rest.length === 0 ? there : rest;
  for (const name of names) {
    if (names.length > 1) world.write(`==> ${name} <==\n`);
    await printLog(world, folder.logFile(name), values.tail);
  }
  return 0;
}

function noLogs(folder: ClusterFolder, missing: string | undefined, there: readonly string[]): UserError {
  if (there.length === 0)
    return new UserError(`Cannot find logs in ${folder.logs}: a cluster that runs in a terminal writes to that alone`);
  return new UserError(`Cannot find a log of ${JSON.stringify(missing)}: there are those of ${there.join(', ')}`);
}

/** Of the processes that have one, in the order of their names. */
async function logNames(folder: ClusterFolder): Promise<readonly string[]> {
  const files = await readdir(folder.logs).catch((error) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  return files
    .filter((file) => file.endsWith('.log'))
    .map((file) => file.slice(0, -'.log'.length))
    .sort();
}

/** As much as there is when it begins: a log that grows meanwhile has an end. */
async function printLog(world: World, path: string, lines: number): Promise<void> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    if (lines > 0) {
      const from = Math.max(0, size - tailBytesMax);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from);
      world.write(lastLines(textOf(buffer.subarray(0, bytesRead)), lines));
      return;
    }
    const decoder = new TextDecoder();
    for (let at = 0; at < size; ) {
      const length = Math.min(chunkBytes, size - at);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, at);
      if (bytesRead === 0) break;
      at += bytesRead;
      world.write(decoder.decode(buffer.subarray(0, bytesRead), { stream: at < size }));
    }
  } finally {
    await file.close();
  }
}

/** The last lines of a text, each with its end. */
export function lastLines(all: string, lines: number): string {
  let at = all.length;
  // The end of the last line begins no other.
  let from = all.endsWith('\n') ? at - 1 : at;
  for (let count = 0; count < lines && from >= 0; count++) {
    at = from === 0 ? -1 : all.lastIndexOf('\n', from - 1);
    from = at;
  }
  return all.slice(at + 1);
}

/**
 * `coxswain logs`: what the processes of a cluster have written to their logs; `coxswain logs export`: all that a report of a fault needs in one archive
 * (`export-cluster.ts`). A cluster that runs in a terminal writes to that and has none.
 */
import { open } from 'node:fs/promises';
import { runningProcesses } from '#cmd/common/process-files.ts';
import { textOf } from '#pkg/apimachinery/decode.ts';
import { type FlagTable, type FlagValues, helpText, integer, parseFlags } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { clusterFlags } from './cluster-flags.ts';
import { ClusterFolder, type ClusterRecord } from './folder.ts';
import { logNames } from './log-names.ts';
import { checkName, dataFolder, type World } from './world.ts';

const flags = {
  ...clusterFlags,
  tail: integer({ help: 'Only that many of the last lines of each; 0 for all.', fallback: 0 }),
} satisfies FlagTable;

/** Bytes at the end of a log among which its last lines are looked for. */
const tailBytesMax = 16 << 20;
/** Bytes of a log that are read at a time. */
const chunkBytes = 1 << 20;

const exportFlags = { ...clusterFlags } satisfies FlagTable;

const exportSummary =
  'Write logs, objects, events, versions, state, cluster file and findings of "coxswain doctor" into one new archive. Secrets are left out.';

/** Runs the command; resolves to its exit code. Throws `UserError` where there are no such logs, and for a file of an export that is there. */
export async function logs(world: World, args: readonly string[]): Promise<number> {
  if (args[0] === 'export') return exportAll(world, args.slice(1));
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} (see "coxswain logs --help")`);
  if (parsed.help) {
    const summary = 'Show what the processes of a cluster have written.';
    const usage = 'coxswain logs [PROCESS...] [flags]';
    world.write(`${helpText(flags, { usage, summary })}\nCommands:\n  export  ${exportSummary}\n`);
    return 0;
  }
  const { values, rest } = parsed;
  const { folder } = await clusterOf(world, values);
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

/** `coxswain logs export`. */
async function exportAll(world: World, args: readonly string[]): Promise<number> {
  const hint = '(see "coxswain logs export --help")';
  const parsed = parseFlags(exportFlags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} ${hint}`);
  if (parsed.help) {
    world.write(helpText(exportFlags, { usage: 'coxswain logs export [FILE] [flags]', summary: exportSummary }));
    return 0;
  }
  const [into, unexpected] = parsed.rest;
  if (unexpected !== undefined) throw new UserError(`unexpected argument: ${unexpected} ${hint}`);
  const { folder, record } = await clusterOf(world, parsed.values);
  const running = await runningProcesses(folder.run);
  return (await import('./export-cluster.ts')).exportCluster(world, { folder, record, running, into });
}

async function clusterOf(
  world: World,
  values: FlagValues<typeof clusterFlags>,
): Promise<{ readonly folder: ClusterFolder; readonly record: ClusterRecord }> {
  checkName(values.name);
  const folder = new ClusterFolder(dataFolder(world, { name: values.name, dataDir: values['data-dir'] }));
  const record = await folder.read();
  if (record === undefined) throw new UserError(`Cannot find a cluster in ${folder.path}`);
  return { folder, record };
}

function noLogs(folder: ClusterFolder, missing: string | undefined, there: readonly string[]): UserError {
  if (there.length === 0)
    return new UserError(`Cannot find logs in ${folder.logs}: a cluster that runs in a terminal writes to that alone`);
  return new UserError(`Cannot find a log of ${JSON.stringify(missing)}: there are those of ${there.join(', ')}`);
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

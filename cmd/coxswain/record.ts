/** `coxswain record`: writes every change of a running cluster, with its time, until it is told to stop. */
import { existsSync } from 'node:fs';
import { connectionOf } from '#cmd/common/connection.ts';
import { namespaces } from '#pkg/api/types/refs.ts';
import { humanDuration } from '#pkg/apimachinery/time.ts';
import { repeat } from '#pkg/base/async.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { depsOf } from '#pkg/cluster/parts.ts';
import { duration, type FlagTable, helpText, parseFlags, text, toggle } from '#pkg/component/flags.ts';
import { runUntilSignal } from '#pkg/component/signals.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { HistoryError, type HistoryHeader, historyVersion } from '#pkg/replay/history.ts';
import { record as recordCluster } from '#pkg/replay/recorder.ts';
import { mendRecording, RecordingWriter, readRecording } from '#pkg/replay/recording-file.ts';
import { clusterFlags } from './cluster-flags.ts';
import { ClusterFolder } from './folder.ts';
import { checkName, dataFolder, type World } from './world.ts';

const flags = {
  ...clusterFlags,
  kubeconfig: text({ help: 'Kubeconfig in place of the cluster’s own: of any cluster.', placeholder: 'file' }),
  output: text({ help: 'The recording.', short: 'o', fallback: 'cluster.recording', placeholder: 'file' }),
  resume: toggle({ help: 'Go on with the recording that is there; its times go on too.' }),
  secrets: toggle({ help: 'Keep the data of Secrets. Default: their keys alone.' }),
  for: duration({ help: 'How long. Default: until Ctrl-C.', fallback: 0 }),
} satisfies FlagTable;

const summary = 'Write every change of a cluster with its time, for "coxswain replay".';

/** How often what was told is brought to the file. */
const flushEveryMs = 1_000;

/** Runs the command; resolves to its exit code once it was told to stop. Throws `UserError`. */
export async function record(world: World, args: readonly string[]): Promise<number> {
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} (see "coxswain record --help")`);
  if (parsed.help) {
    world.write(helpText(flags, { usage: 'coxswain record [flags]', summary }));
    return 0;
  }
  const { values, rest } = parsed;
  if (rest.length > 0) throw new UserError(`unexpected argument: ${rest[0]} (see "coxswain record --help")`);
  checkName(values.name);
  const header = await headerOf(world, { path: values.output, resume: values.resume, secrets: values.secrets });
  const folder = new ClusterFolder(dataFolder(world, { name: values.name, dataDir: values['data-dir'] }));
  const transport = await connectionOf(values.kubeconfig === '' ? folder.kubeconfig : values.kubeconfig);
  const { clock, random } = world;
  const context = { transport, clock, random, log: silentLogger, metrics: new Metrics() };
  const deps = depsOf(context, 'coxswain-record');
  // Before there is a file: a cluster that is not there leaves none.
  await deps.client.resource(namespaces).list({ limit: 1 });
  const writer = new RecordingWriter(values.output, header, { append: values.resume });
  let [objects, changes] = [0, 0];
  const until = values.for > 0 ? `for ${humanDuration(values.for)}, or ` : '';
  world.writeError(`Recording to ${values.output} ${until}until Ctrl-C.\n`);
  const tell: Parameters<typeof recordCluster>[0]['tell'] = (one) => {
    if ('object' in one && one.type === 'STATE') objects++;
    else if ('object' in one) changes++;
    writer.write(one);
  };
  const options = { deps, startMs: header.startMs, secrets: values.secrets, tell };
  try {
    await runUntilSignal({ signals: process, clock, forceExit: (code) => process.exit(code) }, async (signal) => {
      const over = new AbortController();
      const ends = AbortSignal.any([signal, over.signal]);
      const timer = values.for > 0 ? clock.setTimeout(() => over.abort(), values.for) : undefined;
      const flushing = repeat(clock, { periodMs: () => flushEveryMs, signal: ends }, () => writer.flush());
      const failures = await recordCluster(options, ends).finally(() => {
        timer?.cancel();
        over.abort();
      });
      await flushing;
      for (const groupVersion of failures)
        world.writeError(`coxswain: ${groupVersion} could not be asked and is left out\n`);
    });
  } finally {
    await writer.close();
    await transport.close();
  }
  world.writeError(`Recorded ${objects} objects and ${changes} changes.\n`);
  return 0;
}

async function headerOf(
  world: World,
  { path, resume, secrets }: { readonly path: string; readonly resume: boolean; readonly secrets: boolean },
): Promise<HistoryHeader> {
  const fresh = { coxswain: 'recording', version: historyVersion, startMs: world.clock.nowMs(), secrets } as const;
  if (!existsSync(path)) {
    if (resume) throw new UserError(`Cannot go on with ${path} as it is not there`);
    return fresh;
  }
  if (!resume) throw new UserError(`${path} is there already: say --resume to go on with it, or another file`);
  try {
    const history = await readRecording(path);
    if (!history.isWhole) {
      await mendRecording(path);
      world.writeError(`${path} was cut off: it goes on after ${history.endMs / 1_000} s, the last that it has.\n`);
    }
    return { ...fresh, startMs: history.header.startMs };
  } catch (error) {
    throw error instanceof HistoryError ? new UserError(error.message, error) : error;
  }
}

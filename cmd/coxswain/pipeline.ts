/** `coxswain pipeline serve|list|approve|cancel|uninstall`: the delivery pipeline of a cluster. What happens to a commit is said by Pipelines, which are objects for kubectl. */
import { join, resolve } from 'node:path';
import { installedAddons } from '#pkg/addons/install.ts';
import { customResourceDefinitions, runtimeClasses } from '#pkg/api/types/refs.ts';
import { isConflict, isNotFound, StatusError, unlessGone } from '#pkg/apimachinery/status-error.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import type { Client } from '#pkg/client/client.ts';
import { createInformers } from '#pkg/client/shared-informers.ts';
import { runtimesOf } from '#pkg/cluster/runtimes.ts';
import {
  commandOverview,
  type FlagTable,
  type FlagValues,
  helpText,
  integer,
  parseFlags,
  text,
} from '#pkg/component/flags.ts';
import { createLogger } from '#pkg/component/logger.ts';
import { runUntilSignal } from '#pkg/component/signals.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { TableLayout } from '#pkg/kubectl/tables.ts';
import type { StepSettings } from '#pkg/pipeline/controller/step-pod.ts';
import { pipelineDefinitions } from '#pkg/pipeline/crds.ts';
import { imageCommandOf } from '#pkg/pipeline/image-command.ts';
import { type PipelineRun, pipelineRuns } from '#pkg/pipeline/model/types.ts';
import { createPipelineServer } from '#pkg/pipeline/pipeline-server.ts';
import { commandWords } from './addon.ts';
import { clusterFlags } from './cluster-flags.ts';
import { withClient } from './cluster-objects.ts';
import { ClusterFolder } from './folder.ts';
import { checkName, dataFolder, type World } from './world.ts';

/** The runtime of steps whose program is a module. */
const moduleRuntime = 'inprocess';
/** Its class, where it is not the nodes' default. */
const moduleClass = 'coxswain-pipeline';

const flags = {
  ...clusterFlags,
  namespace: text({ help: 'Namespace of the runs.', short: 'n', fallback: 'default', placeholder: 'name' }),
  port: integer({ help: 'serve: port of the Git server on 127.0.0.1; 0 for a free one.', fallback: 5001, max: 65_535 }),
} satisfies FlagTable;

/** What a command is given. */
interface Call {
  readonly world: World;
  readonly values: FlagValues<typeof flags>;
  readonly rest: readonly string[];
  readonly client: Client;
}

interface PipelineCommand {
  readonly summary: string;
  /** What it takes beside flags. */
  readonly takes: readonly string[];
  run(call: Call): Promise<void>;
}

const commands: Readonly<Record<string, PipelineCommand>> = {
  serve: { summary: 'Serve repositories and run what is pushed, until Ctrl-C.', takes: [], run: serve },
  list: { summary: 'List runs and where they are.', takes: [], run: list },
  approve: { summary: 'Allow a run a step that waits for it.', takes: ['RUN', 'STEP'], run: approve },
  cancel: { summary: 'Stop a run; what it has in hand goes back.', takes: ['RUN'], run: cancel },
  uninstall: { summary: 'Take away the kinds, with all pipelines and runs.', takes: [], run: uninstall },
};

/** Runs the command; resolves to its exit code. Throws `UserError`, also for what the server refuses. */
export async function pipeline(world: World, args: readonly string[]): Promise<number> {
  const [word = '', ...others] = args;
  const command = Object.hasOwn(commands, word) ? commands[word] : undefined;
  if (command === undefined) {
    if (!['', '--help', '-h', 'help'].includes(word))
      throw new UserError(`unknown command "pipeline ${word}": "coxswain pipeline --help" lists them`);
    const summary = 'From a push to production.';
    world.write(commandOverview({ summary, usage: 'coxswain pipeline <command> [flags]', commands }));
    return word === '' ? 1 : 0;
  }
  const hint = `(see "coxswain pipeline ${word} --help")`;
  const parsed = parseFlags(flags, others);
  if (!parsed.ok) throw new UserError(`${parsed.message} ${hint}`);
  if (parsed.help) {
    const usage = ['coxswain pipeline', word, ...command.takes, '[flags]'].join(' ');
    world.write(helpText(flags, { usage, summary: command.summary }));
    return 0;
  }
  const { values, rest } = parsed;
  if (rest.length < command.takes.length) throw new UserError(`say ${command.takes[rest.length]} ${hint}`);
  if (rest.length > command.takes.length)
    throw new UserError(`unexpected argument: ${rest[command.takes.length]} ${hint}`);
  checkName(values.name);
  const { name, 'data-dir': dataDir } = values;
  try {
    await withClient(world, { name, dataDir, kubeconfig: '' }, (client) =>
      command.run({ world, values, rest, client }),
    );
  } catch (error) {
    if (error instanceof StatusError) throw new UserError(error.message, error);
    throw error;
  }
  return 0;
}

/** The addon has the kinds and the server. */
async function refuseBesideAddon(client: Client, instead: string): Promise<void> {
  const addons = await installedAddons(client);
  if (addons.some(({ name }) => name === 'pipeline'))
    throw new UserError(`the cluster has the addon pipeline: ${instead}`);
}

async function serve({ world, values, client }: Call): Promise<void> {
  const { clock, random } = world;
  const dataDir = dataFolder(world, { name: values.name, dataDir: values['data-dir'] });
  await refuseBesideAddon(client, '"kubectl get service git -n coxswain-pipeline" says where it serves repositories');
  for (const definition of pipelineDefinitions()) {
    const options = { type: 'apply', fieldManager: 'coxswain-pipeline', force: true } as const;
    await client.resource(customResourceDefinitions).patch(definition.metadata?.name ?? '', definition, options);
  }
  const steps = await stepsFor(world, dataDir, client);
  const log = createLogger({ write: (line) => world.writeError(line), clock });
  const deps = {
    client,
    clock,
    random,
    log,
    metrics: new Metrics(),
    informers: createInformers({ client, clock, random, log }),
  };
  const server = createPipelineServer({
    deps,
    folder: join(dataDir, 'pipeline'),
    steps,
    host: '127.0.0.1',
    port: values.port,
    path: world.environment.PATH,
    onListening: ({ host, port }) => world.write(`Serving repositories at http://${host}:${port}/NAMESPACE/NAME.git\n`),
  });
  await runUntilSignal({ signals: process, clock, forceExit: (code) => process.exit(code) }, (signal) =>
    server.run(signal),
  );
}

/** What the nodes of the cluster run. Where another runtime is their default, modules get a class of their own. Throws `UserError` where no node runs them. */
async function stepsFor(world: World, dataDir: string, client: Client): Promise<Omit<StepSettings, 'places'>> {
  const record = await new ClusterFolder(dataDir).read();
  const runtimes = runtimesOf(record?.settings.runtime ?? moduleRuntime);
  if (!runtimes.includes(moduleRuntime))
    throw new UserError(
      `Cannot run pipelines as their steps run on the runtime ${moduleRuntime}, which this cluster (${runtimes.join(', ')}) has not`,
    );
  const imageCommand = imageCommandOf({ runtimes, command: commandWords(world.rootFolder), dataDir: resolve(dataDir) });
  const images = imageCommand === undefined ? {} : { imageCommand };
  if (runtimes[0] === moduleRuntime) return images;
  const body = {
    apiVersion: 'node.k8s.io/v1',
    kind: 'RuntimeClass',
    metadata: { name: moduleClass },
    handler: moduleRuntime,
  };
  const options = { type: 'apply', fieldManager: 'coxswain-pipeline', force: true } as const;
  await client.resource(runtimeClasses).patch(moduleClass, body, options);
  return { ...images, moduleRuntimeClass: moduleClass };
}

async function list({ world, values, client }: Call): Promise<void> {
  const { items } = await client.resource(pipelineRuns).list({ namespace: values.namespace });
  if (items.length === 0) {
    world.write(`There are no runs in ${values.namespace}.\n`);
    return;
  }
  const rows = items
    .toSorted((a, b) => a.spec.sequence - b.spec.sequence)
    .map(({ metadata, spec, status }) => [
      metadata?.name ?? '',
      spec.commit.slice(0, 8),
      status?.phase ?? 'Pending',
      (status?.steps ?? []).map(({ name, phase }) => `${name}=${phase}`).join(' '),
      status?.message ?? '',
    ]);
  world.write(new TableLayout().render([['RUN', 'COMMIT', 'PHASE', 'STEPS', 'WHY'], ...rows]));
}

async function approve(call: Call): Promise<void> {
  const [name = '', step = ''] = call.rest;
  await change(call, (run) => {
    if (run.spec.steps.find((one) => one.name === step)?.deploy?.approval !== 'Manual')
      throw new UserError(`the run ${name} has no step ${JSON.stringify(step)} that waits for an approval`);
    return { ...run, spec: { ...run.spec, approved: [...new Set([...(run.spec.approved ?? []), step])] } };
  });
  call.world.write(`${step} of ${name} is approved\n`);
}

async function cancel(call: Call): Promise<void> {
  await change(call, (run) => ({ ...run, spec: { ...run.spec, cancelled: true } }));
  call.world.write(`${call.rest[0] ?? ''} is to stop\n`);
}

/** Changes the run that the first argument names, again where somebody else did meanwhile. */
async function change(
  { values, rest: [name = ''], client }: Call,
  to: (run: PipelineRun) => PipelineRun,
): Promise<void> {
  const { namespace } = values;
  const resource = client.resource(pipelineRuns);
  for (;;) {
    try {
      const run = await resource.get(name, { namespace });
      if (run.status?.completionTime !== undefined)
        throw new UserError(`the run ${name} has ended: it is ${run.status.phase}`);
      await resource.update(to(run));
      return;
    } catch (error) {
      if (isNotFound(error)) throw new UserError(`there is no run ${JSON.stringify(name)} in ${namespace}`);
      if (!isConflict(error)) throw error;
    }
  }
}

async function uninstall({ world, client }: Call): Promise<void> {
  await refuseBesideAddon(client, '"coxswain addon disable pipeline" takes it away');
  for (const { metadata } of pipelineDefinitions())
    await unlessGone(client.resource(customResourceDefinitions).delete(metadata?.name ?? ''));
  await unlessGone(client.resource(runtimeClasses).delete(moduleClass));
  world.write('Pipelines and their runs are gone; their repositories and images stay in the folder of the cluster\n');
}

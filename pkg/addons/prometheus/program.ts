/**
 * The image `coxswain.dev/prometheus`: the machine's own Prometheus as a process of the pod, with the pod's configuration, account and data, and files that
 * say whom to read, which follow the cluster. It answers at the pod's address, and ends with the pod.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { nodes, pods } from '#pkg/api/types/refs.ts';
import { childSignal } from '#pkg/base/async.ts';
import type { Informers } from '#pkg/client/informer.ts';
import type { Program, ProgramContext } from '#pkg/kubelet/runtime/inprocess/program.ts';
import { podDeps, podTransport } from '../program-parts.ts';
import { serverPlaceholder } from './config.ts';
import { accountFolder, binaryVariable, configFolder, dataFolder, prometheusPort, targetsFolder } from './places.ts';
import { nodeTargets, podTargets, type TargetGroup } from './targets.ts';

/** The image's program. */
export const program: Program = {
  async main(context) {
    const data = context.resolve(dataFolder);
    mkdirSync(context.resolve(targetsFolder), { recursive: true });
    const config = `${data}/prometheus.yml`;
    writeFileSync(config, configOf(context));
    const transport = podTransport(context);
    const { informers } = podDeps(context, transport);
    const { controller, dispose } = childSignal(context.signal);
    const following = followTargets(context, informers, controller.signal);
    try {
      return await run(context, [
        `--config.file=${config}`,
        `--storage.tsdb.path=${data}/tsdb`,
        `--web.listen-address=${context.ip}:${prometheusPort}`,
        ...context.args,
      ]);
    } finally {
      controller.abort();
      await following;
      dispose();
      await transport.close();
    }
  },
};

/** The configuration, in which paths are those of the machine: Prometheus is a process of it. */
function configOf(context: ProgramContext): string {
  const { env, resolve } = context;
  const text = readFileSync(resolve(`${configFolder}/prometheus.yml`), 'utf8');
  return text
    .replaceAll(`${serverPlaceholder}:443`, serverOf(context))
    .replaceAll(serverPlaceholder, env.KUBERNETES_SERVICE_HOST ?? '')
    .replaceAll(accountFolder, resolve(accountFolder))
    .replaceAll(`${targetsFolder}/`, `${resolve(targetsFolder)}/`)
    .replaceAll(`${configFolder}/`, `${resolve(configFolder)}/`);
}

function serverOf({ env }: ProgramContext): string {
  return `${env.KUBERNETES_SERVICE_HOST}:${env.KUBERNETES_SERVICE_PORT}`;
}

/** Writes the files of targets at each change of the cluster. */
async function followTargets(context: ProgramContext, informers: Informers, signal: AbortSignal): Promise<void> {
  const server = serverOf(context);
  const written = new Map<string, string>();
  const write = (name: string, groups: readonly TargetGroup[]): void => {
    const text = JSON.stringify(groups);
    if (written.get(name) === text) return;
    written.set(name, text);
    const path = context.resolve(`${targetsFolder}/${name}.json`);
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
  const ofNodes = informers.informer(nodes);
  const ofPods = informers.informer(pods);
  const tellNodes = (): void => {
    const all = ofNodes.lister.list();
    write('kubelet', nodeTargets(all, { server, page: '/metrics' }));
  };
  const tellPods = (): void => write('pods', podTargets(ofPods.lister.list()));
  ofNodes.addHandler({ added: tellNodes, updated: tellNodes, deleted: tellNodes });
  ofPods.addHandler({ added: tellPods, updated: tellPods, deleted: tellPods });
  tellNodes();
  tellPods();
  await informers.run(signal);
}

function run({ env, signal, log, error }: ProgramContext, args: readonly string[]): Promise<number> {
  const child = spawn(env[binaryVariable] ?? 'prometheus', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.setEncoding('utf8').on('data', (text: string) => log(text.trimEnd()));
  child.stderr.setEncoding('utf8').on('data', (text: string) => error(text.trimEnd()));
  const end = (): void => void child.kill('SIGTERM');
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
  return new Promise((resolve) => {
    child.on('error', (problem) => {
      error(problem.message);
      resolve(1);
    });
    child.on('close', (code) => resolve(signal.aborted ? 0 : (code ?? 1)));
  });
}

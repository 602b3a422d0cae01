/** The dashboard's server with what it has of this machine: the page's files, connections by a kubeconfig, and the scheduler's explanations. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import type { Transport } from '#pkg/client/client.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { createLogger } from '#pkg/component/logger.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { type Dashboard, startDashboard } from '#pkg/dashboard/server/dashboard.ts';
import type { Explain } from '#pkg/dashboard/server/explain.ts';
import type { UserApi } from '#pkg/dashboard/server/identities.ts';
import type { DashboardOptions } from '#pkg/dashboard/server/options.ts';
import type { KubeApi } from '#pkg/kubectl/api.ts';
import { connect } from '#pkg/kubectl/connect.ts';
import type { World } from './world.ts';

/** Where the cluster of the scheduler's settings is, as flags say it. */
export interface ClusterPlace {
  readonly name: string;
  readonly 'data-dir': string;
  readonly kubeconfig: string;
}

/** What is served, and to whom its codes are told. */
export interface ServedDashboardOptions extends Pick<DashboardOptions, 'cluster' | 'onCode' | 'port'> {
  readonly kubeconfig: string;
  readonly place: ClusterPlace;
}

/** Serves it. Throws `UserError` where the page cannot be made. */
export async function serveDashboard(world: World, options: ServedDashboardOptions): Promise<Dashboard> {
  const { cluster, kubeconfig, onCode, place, port } = options;
  const { clock } = world;
  const connection = { kubeconfig, requestTimeoutMs: 0, onWarning: () => {} };
  return startDashboard({
    cluster,
    assets: await assetsOf(world),
    port,
    clock,
    log: createLogger({ write: world.writeError, clock, level: 'warn', format: 'text' }),
    connectLocal: (): Promise<UserApi> => connect(connection),
    connectWith: (token): Promise<UserApi> => connect({ ...connection, token }),
    explain: explainBy(world, place),
    onCode,
  });
}

/** The page's files: those of the package, or in a checkout what its sources make now. */
async function assetsOf({ rootFolder }: World): Promise<string> {
  const packaged = join(rootFolder, 'dist', 'dashboard');
  const builder = join(rootFolder, 'deploy', 'package', 'page.ts');
  if (!existsSync(builder)) return packaged;
  const made = join(rootFolder, '.cache', 'dashboard');
  const child = spawn(process.execPath, [builder, made], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    said += part;
  });
  const code = await new Promise((resolve) => child.on('close', resolve).on('error', resolve));
  if (code !== 0) throw new UserError(`Cannot make the page of the dashboard: ${said.trim().split('\n').at(-1)}`);
  return made;
}

/** Explains as `coxswain explain` does, of what the asker may see. */
function explainBy(world: World, place: ClusterPlace): Explain {
  return async (api, { namespace, name }) => {
    const [{ simulationOf }, { readCluster }, { podInfoOf }, { pods }] = await Promise.all([
      import('./scheduling-flags.ts'),
      import('./cluster-objects.ts'),
      import('#pkg/scheduler/model/pod-info.ts'),
      import('#pkg/api/types/refs.ts'),
    ]);
    const settings = { ...place, scheduling: '', 'scheduler-config': '', 'feature-gates': '', output: '' };
    const { simulation, objects } = await simulationOf(world, settings);
    await readCluster(objects, createClient({ transport: readerOf(api), userAgent: 'coxswain-dashboard' }));
    simulation.load();
    const pod = objects.lister(pods).get(`${namespace}/${name}`);
    if (pod === undefined) throw new UserError(`Cannot explain pod "${namespace}/${name}" as there is none`);
    return simulation.explain(podInfoOf(pod));
  };
}

/** Reads over the connection of a session. */
function readerOf(api: KubeApi): Transport {
  return {
    request: async ({ path, query, signal }) => {
      const asked = Object.fromEntries(new URLSearchParams(query));
      const parts: Uint8Array[] = [];
      for await (const part of await api.stream({ method: 'GET', path, query: asked, signal })) parts.push(part);
      const headers = { 'content-type': 'application/json' };
      return { status: 200, headers, body: { kind: 'bytes', bytes: Buffer.concat(parts) } };
    },
  };
}

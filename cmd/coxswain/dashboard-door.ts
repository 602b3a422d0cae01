/**
 * The door of the dashboard of a cluster that runs in this process: its port is open from the start, and what answers there is loaded with the first request, which waits for it.
 * Who may read the cluster's folder finds the present code to sign in with there (`coxswain dashboard --code`).
 */

import { readFile, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { errorText } from '#pkg/base/error-text.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { Dashboard } from '#pkg/dashboard/server/dashboard.ts';
import { dashboardAddress, listenForDashboard } from '#pkg/dashboard/server/listen.ts';
import { ask } from './ask.ts';
import type { ClusterFolder } from './folder.ts';
import type { World } from './world.ts';

/** Longest wait for the first answer: in a checkout the page is made from its sources then. */
const wakeMsMax = 120_000;

/** An open door. */
export interface DashboardDoor {
  /** `http://127.0.0.1:port/`. */
  readonly address: string;
  /** Resolves when nothing answers any more. */
  close(): Promise<void>;
}

/** Of which cluster. `onCode` is told of each code. */
export interface DoorOptions {
  readonly folder: ClusterFolder;
  readonly name: string;
  readonly onCode: (code: string) => void;
}

/** Opens it, at any port that is free. */
export async function openDashboardDoor(world: World, { folder, name, onCode }: DoorOptions): Promise<DashboardDoor> {
  const server = await listenForDashboard(0);
  let writing = Promise.resolve();
  const tell = (code: string): void => {
    writing = writing.then(() => writeFile(folder.dashboardCode, `${code}\n`, { mode: 0o600 })).catch(() => {});
    onCode(code);
  };
  const load = async (): Promise<Dashboard> => {
    const { serveDashboard } = await import('./dashboard-server.ts');
    const place = { name, 'data-dir': folder.path, kubeconfig: '' };
    const options = { cluster: name, port: server, kubeconfig: folder.kubeconfig, place, onCode: tell };
    const loaded = await serveDashboard(world, options);
    server.off('request', onRequest).off('upgrade', onUpgrade);
    await writing;
    return loaded;
  };
  let loading: Promise<Dashboard> | undefined;
  const whenLoaded = (then: () => void, fail: (reason: string) => void): void => {
    loading ??= load();
    loading.then(then, (error: unknown) => {
      // The next request tries again.
      loading = undefined;
      fail(errorText(error));
    });
  };
  const onRequest = (request: IncomingMessage, response: ServerResponse): void =>
    whenLoaded(
      () => void server.emit('request', request, response),
      (reason) => void response.writeHead(503, { 'content-type': 'text/plain' }).end(`${reason}\n`),
    );
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => socket.destroy());
    whenLoaded(
      () => void server.emit('upgrade', request, socket, head),
      () => void socket.destroy(),
    );
  };
  server.on('request', onRequest).on('upgrade', onUpgrade);
  return {
    address: dashboardAddress(server),
    close: async () => {
      const loaded = await loading?.catch(() => undefined);
      if (loaded === undefined) {
        const closed = new Promise((resolve) => server.close(resolve));
        server.closeAllConnections();
        await closed;
      } else await loaded.close();
      await writing;
      await rm(folder.dashboardCode, { force: true });
    },
  };
}

/** The present code of the dashboard that runs with a cluster. Throws `UserError` where there is none. */
export async function dashboardCode(folder: ClusterFolder): Promise<string> {
  const record = await folder.read();
  if (record?.dashboard === undefined)
    throw new UserError(
      `Cannot say a code as no dashboard runs with the cluster in ${folder.path}: "coxswain dashboard" starts one`,
    );
  try {
    // It has a code from its first request on.
    await ask(`${record.dashboard}api/session`, AbortSignal.timeout(wakeMsMax));
    return (await readFile(folder.dashboardCode, 'utf8')).trim();
  } catch (error) {
    throw new UserError(
      `Cannot say a code as the dashboard at ${record.dashboard} does not answer: ${errorText(error)}`,
      error,
    );
  }
}

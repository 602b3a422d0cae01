/** The delivery pipeline as one part of a process: its controllers and the server of its repositories. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';
import { runTogether } from '#pkg/component/signals.ts';
import { createPushController } from './controller/push-controller.ts';
import { createRunController } from './controller/run-controller.ts';
import type { StepSettings } from './controller/step-pod.ts';
import { createWebhookController } from './controller/webhook-controller.ts';
import { lockFolder } from './folder-lock.ts';
import { gitServer } from './git/git-server.ts';
import { Repositories } from './git/repositories.ts';
import { placesIn } from './places.ts';

/** Where it keeps things, and where it listens. */
export interface PipelineServerOptions {
  readonly deps: ComponentDeps;
  /** Folder of the machine that nodes share. */
  readonly folder: string;
  /** What its nodes run. */
  readonly steps: Omit<StepSettings, 'places'>;
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
  /** Where programs are, as the environment says. */
  readonly path: string | undefined;
  onListening(address: { readonly host: string; readonly port: number }): void;
}

/** The pipeline. Rejects where it cannot listen, and with a `UserError` where another serves the same folder. */
export function createPipelineServer({
  deps,
  folder,
  steps,
  host,
  port,
  path,
  onListening,
}: PipelineServerOptions): Component {
  const places = placesIn(folder);
  const repositories = new Repositories(places);
  const pushes = createPushController(deps, repositories);
  const controllers = [pushes, createRunController(deps, { ...steps, places }), createWebhookController(deps)];
  const { client, clock, log, informers } = deps;
  const server = createServer(gitServer({ client, clock, places, repositories, log, path, onPush: pushes.pushed }));
  return {
    async run(signal) {
      using _lock = await lockFolder(folder);
      const listening = informers.run(signal);
      if (!(await informers.synced(signal))) return listening;
      await new Promise<void>((done, fail) => {
        server.once('error', fail);
        server.listen(port, host, done);
      });
      onListening({ host, port: portOf(server.address()) });
      try {
        await runTogether(controllers, signal);
      } finally {
        server.closeAllConnections();
        await new Promise<void>((done) => void server.close(() => done()));
      }
      await listening;
    },
  };
}

function portOf(address: AddressInfo | string | null): number {
  return address === null || typeof address === 'string' ? 0 : address.port;
}

/**
 * An API server alone on the memory store, for tests of one component against it, with that component made by the test. Whoever needs more of a
 * cluster takes `startTestCluster`. Has no user but tests of this project.
 */

import type { AdmissionPlugin } from '#pkg/apiserver/strategy.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import type { Random } from '#pkg/base/random.ts';
import type { Transport } from '#pkg/client/client.ts';
import { inProcessTransport } from '#pkg/client/in-process-transport.ts';
import { type LocalApi, localApi } from '#pkg/cluster/local-api.ts';
import { depsOf } from '#pkg/cluster/parts.ts';
import type { ComponentDeps } from '#pkg/component/component.ts';
import type { ConnectRemote } from '#pkg/registry/apiregistration/remote-connection.ts';
import type { CallWebhook } from '#pkg/registry/remote/call-webhook.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import type { Store } from '#pkg/storage/store.ts';

export interface BareApiOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Where objects are kept, for one that is started again. Default: a new one in memory. */
  readonly store?: Store;
  /** Default: none, so that objects are stored as they were written. */
  readonly admission?: readonly AdmissionPlugin[];
  readonly serviceCidr?: string;
  readonly port?: number;
  /** Answers what webhooks are asked. Default: no connection to them. */
  readonly callWebhook?: CallWebhook;
  /** The connection to API servers behind this one. Default: none. */
  readonly connectRemote?: ConnectRemote;
  /** Whether an APIService is made for each group in a version. Default false. */
  readonly registersGroups?: boolean;
  /** Name of the Lease by which the server is known. Default none. */
  readonly identity?: string;
  /** Versions that are served beyond the default. */
  readonly runtimeConfig?: Readonly<Record<string, boolean>>;
}

export interface BareApi extends Pick<LocalApi, 'handle' | 'run'> {
  /** In the name of a user who may do everything. */
  transport(user: string): Transport;
  /** Client and informers, which the caller runs, of a component in the name of such a user. */
  connect(user: string, userAgent: string): ComponentDeps;
}

/** Resolves once it answers; `run` is for those who want it to end. */
export async function startBareApi({ admission = [], ...options }: BareApiOptions): Promise<BareApi> {
  const { clock, random } = options;
  const log = silentLogger;
  const server = localApi({
    ...options,
    authorizationModes: ['AlwaysAllow'],
    admission,
    log,
    store: options.store ?? createMemoryStore({ clock }),
  });
  await server.ready();
  const transport = (commonName: string): Transport =>
    inProcessTransport(server.handle, { commonName, organizations: ['system:masters'] });
  return {
    handle: server.handle,
    run: server.run,
    transport,
    connect: (user, userAgent) =>
      depsOf({ transport: transport(user), clock, random, log, metrics: new Metrics() }, userAgent),
  };
}

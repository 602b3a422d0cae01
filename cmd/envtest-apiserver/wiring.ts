/**
 * Puts the kube-apiserver stand-in together: the API server of every cluster over the data that the `etcd` stand-in holds, or over an etcd where
 * that is what answers, and the controllers that the environment asks for.
 */
import { join } from 'node:path';
import { openStoreOf, wireApiServer } from '#cmd/apiserver/wiring.ts';
import { claimData } from '#cmd/common/etcd-claim.ts';
import type { ProcessContext } from '#cmd/common/process-main.ts';
import { sleep } from '#pkg/base/async.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { inProcessTransport } from '#pkg/client/in-process-transport.ts';
import type { ApiPart } from '#pkg/cluster/api-part.ts';
import { accountSubject, identitySubject } from '#pkg/cluster/pki.ts';
import { defaultSettings } from '#pkg/cluster/settings.ts';
import { openStore } from '#pkg/cluster/store.ts';
import type { Component } from '#pkg/component/component.ts';
import { runTogether } from '#pkg/component/signals.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { Store } from '#pkg/storage/store.ts';
import { claimedStore, type HeldClaim } from './claimed-store.ts';
import type { StandInValues } from './options.ts';
import { servingPair } from './serving-pair.ts';

/** Longest wait for an etcd that is being started. Source: upstream's storage factory. */
const etcdWaitMs = 20_000;
const lookIntervalMs = 20;

/** What the stand-in is made from. */
export interface StandInPlace extends ProcessContext {
  /** Names of controllers with commas between them, `all`, or `''` for none, as upstream's envtest has it. */
  readonly controllers: string;
}

/** The stand-in, which answers. Throws `UserError` for files and controllers that there are not, and where no etcd is found. */
export async function wireStandIn(values: StandInValues, place: StandInPlace): Promise<Component> {
  const names = await chosenControllers(place.controllers);
  const pair = await servingPair(values, place.clock);
  const own = {
    ...values,
    'data-dir': '',
    store: 'memory',
    // As upstream: what only this machine reaches is no address for a Service.
    'advertise-address': values['advertise-address'] || publicAddress(values['bind-address']),
    'service-account-issuer': firstIssuer(values, place.log),
    'tls-cert-file': pair.certificate,
    'tls-private-key-file': pair.key,
    // What nobody looks at: there is no kubelet.
    'kubelet-client-certificate': values['kubelet-client-certificate'] || pair.certificate,
    'kubelet-client-key': values['kubelet-client-key'] || pair.key,
  };
  const api = await wireApiServer(own, place, {
    openOwn: async () => (await openClaimed(values, place)) ?? openStoreOf(own, place),
  });
  if (names === undefined) return api;
  const controllers = await controllersOf(api, names, place);
  return { run: (signal) => runTogether([api, controllers], signal) };
}

function publicAddress(bound: string): string {
  return /^(127\.|::1$|localhost$)/.test(bound) ? '0.0.0.0' : bound;
}

/** Upstream takes several issuers and issues in the name of the first. */
function firstIssuer({ 'service-account-issuer': issuers }: StandInValues, log: Logger): string {
  if (issuers.length > 1) log.warn('Tokens of the first issuer count, not of others', { issuers: issuers.length });
  return issuers[0] ?? 'https://kubernetes.default.svc.cluster.local';
}

/** The store that a stand-in at the address holds; undefined where what answers there is none. */
async function openClaimed(values: StandInValues, { clock, random, log }: ProcessContext): Promise<Store | undefined> {
  const [address = '', ...others] = values['etcd-servers'];
  if (others.length > 0 || !address.startsWith('http://')) return undefined;
  const claim = await claimWithin(address, clock);
  if (claim === undefined) return undefined;
  try {
    const { dataDir, waitsForDisk } = claim;
    const folder = join(dataDir, 'member');
    const store = await openStore({ store: 'lmdb', folder, clock, random, log, waitsForDisk });
    return claimedStore({ store, address, claim, clock });
  } catch (error) {
    claim.release();
    throw error;
  }
}

async function claimWithin(address: string, clock: ProcessContext['clock']): Promise<HeldClaim | undefined> {
  const endMs = clock.monotonicMs() + etcdWaitMs;
  for (;;) {
    const result = await claimData(address);
    if (result.kind === 'held') return result;
    if (result.kind === 'other') return undefined;
    // A server that was killed a moment ago may not be gone for the stand-in.
    if (clock.monotonicMs() >= endMs) {
      const why = result.kind === 'refused' ? result.message : 'nothing answers there';
      throw new UserError(`Cannot use the etcd at ${address} of --etcd-servers: ${why}`);
    }
    await sleep(clock, lookIntervalMs);
  }
}

/** Names of controllers; undefined for none. */
async function chosenControllers(text: string): Promise<readonly string[] | undefined> {
  const given = text.split(',').filter((name) => name !== '');
  if (given.length === 0) return undefined;
  const known = Object.keys((await import('#pkg/controllers/table.ts')).controllerTable);
  if (given.includes('all')) return known;
  const wrong = given.find((name) => !known.includes(name));
  if (wrong !== undefined)
    throw new UserError(
      `COXSWAIN_CONTROLLERS names ${JSON.stringify(wrong)}: it must be all, or some of ${known.join(', ')}`,
    );
  return given;
}

/** In the names that they have in a cluster, over the server's own function. */
async function controllersOf(api: ApiPart, names: readonly string[], place: StandInPlace): Promise<Component> {
  const { controllerManagerPart } = await import('#pkg/cluster/parts.ts');
  const transport = inProcessTransport(api.handle, { organizations: [], ...identitySubject('controller-manager') });
  return controllerManagerPart(
    { ...place, transport },
    {
      podCidr: defaultSettings.podCidr,
      controllers: names,
      asAccount: (name) => inProcessTransport(api.handle, accountSubject(name)),
    },
  );
}

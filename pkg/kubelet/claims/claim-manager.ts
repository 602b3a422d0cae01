/**
 * Has the claims of pods made ready by their drivers before the pods begin, and given back when the last pod of a claim is over. What it has begun is written down, so that a
 * kubelet that is started again gives back what its last one had made ready. Upstream counterpart: kubelet `cm/dra/manager.go`.
 */
import type { Container, Pod } from '#pkg/api/types/core-v1.ts';
import { resourceClaims } from '#pkg/api/types/refs.ts';
import { repeat } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { Turns } from '#pkg/base/turns.ts';
import type { Client } from '#pkg/client/client.ts';
import { findContainer } from '../model/pod-view.ts';
import type { ClaimLedger, NotedClaim } from './claim-ledger.ts';
import type { ClaimName, PreparedDevice } from './claim-messages.ts';
import type { ClaimPlugins } from './claim-plugins.ts';
import { claimProblem, claimsOf, driversOf, requestsOf } from './pod-claims.ts';

/** How often claims of pods that are gone are looked for. Source: `defaultReconcilePeriod`. */
const periodMs = 60_000;

/** What it works with. */
export interface ClaimManagerDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly client: Client;
  readonly ledger: ClaimLedger;
  readonly plugins: Pick<ClaimPlugins, 'prepare' | 'problem' | 'unprepare'>;
  /** Throws where it cannot be written. */
  save(record: object): void;
  /** Nothing of the pod runs any more, nor will. */
  isOver(podUid: string): boolean;
}

/** A claim that a container uses, with what was made ready of it. */
export interface UsedClaim {
  readonly name: string;
  readonly namespace: string;
  readonly devices: readonly (PreparedDevice & { readonly driver: string })[];
}

/** The claims of one kubelet's pods. */
export class ClaimManager {
  readonly #deps: ClaimManagerDeps;
  /** One pod's claims at a time, so that none is given back that another pod is about to use. */
  readonly #turns = new Turns();
  /** All pods from before the kubelet started have been seen. */
  #isSettled = false;

  constructor(deps: ClaimManagerDeps) {
    this.#deps = deps;
  }

  /** All pods that there were before have been seen. */
  settle(): void {
    this.#isSettled = true;
  }

  /** Gives back, until `signal` is aborted, what pods have left that are gone. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, isOver, ledger, log } = this.#deps;
    await repeat(clock, { periodMs: () => periodMs, signal }, async () => {
      if (!this.#isSettled) return;
      const over = new Set(ledger.all.flatMap(({ podUids }) => podUids).filter(isOver));
      for (const podUid of over) {
        try {
          await this.#turns.take(() => this.#giveBack(podUid, signal));
        } catch (error) {
          log.warn('Claims of a pod that is gone not given back, will try again', { podUid, error });
        }
      }
    });
  }

  /** Has all claims of a pod made ready. */
  async prepare(pod: Pod, signal: AbortSignal): Promise<void> {
    if ((pod.spec?.resourceClaims ?? []).length === 0 && pod.status?.extendedResourceClaimStatus === undefined) return;
    try {
      await this.#turns.take(() => this.#prepareAll(pod, signal));
    } catch (error) {
      throw new Error(`prepare dynamic resources: ${errorText(error)}`, { cause: error });
    }
  }

  /** Names of the Container Device Interface of what a container uses of its pod's claims. Throws where one is not ready. */
  cdiDevicesFor(pod: Pod, container: Container): readonly string[] {
    const { namespace = '' } = pod.metadata ?? {};
    const names = requestsOf(pod, container).flatMap(({ claimName, request }) => {
      const noted = this.#deps.ledger.get({ namespace, name: claimName });
      if (noted === undefined)
        throw new Error(`unable to get claim info for ResourceClaim ${claimName} in namespace ${namespace}`);
      return Object.values(noted.drivers)
        .flat()
        .filter(({ requests }) => !request || requests.length === 0 || requests.some((one) => isOf(request, one)))
        .flatMap(({ cdiDevices }) => cdiDevices);
    });
    return [...new Set(names)];
  }

  /** What a container uses of claims, for those who look at the node. */
  listedFor(pod: Pod, containerName: string): readonly UsedClaim[] {
    const container = findContainer(pod, containerName);
    if (container === undefined) return [];
    const { namespace = '' } = pod.metadata ?? {};
    const names = new Set(requestsOf(pod, container).map(({ claimName }) => claimName));
    return [...names].flatMap((name) => {
      const noted = this.#deps.ledger.get({ namespace, name });
      if (noted === undefined) return [];
      const devices = Object.entries(noted.drivers).flatMap(([driver, made]) =>
        made.map((one) => ({ ...one, driver })),
      );
      return [{ name, namespace, devices }];
    });
  }

  /** Gives back what nobody but this pod uses. */
  async unprepare(pod: Pod, signal: AbortSignal): Promise<void> {
    try {
      await this.#turns.take(() => this.#giveBack(pod.metadata?.uid ?? '', signal));
    } catch (error) {
      throw new Error(`unprepare dynamic resources: ${errorText(error)}`, { cause: error });
    }
  }

  async #prepareAll(pod: Pod, signal: AbortSignal): Promise<void> {
    const { ledger } = this.#deps;
    const claims = await this.#claimsFor(pod);
    const podUid = pod.metadata?.uid ?? '';
    for (const { claim, drivers } of claims) ledger.note(claim, drivers, podUid);
    this.#save();
    const due = claims.filter(({ claim }) => ledger.get(claim)?.isReady === false);
    for (const [driver, batch] of byDriver(due)) await this.#prepareBatch(driver, batch, signal);
    for (const { claim } of due) ledger.ready(claim);
    if (due.length > 0) this.#save();
  }

  /** The claims of a pod as they are now, all of them allocated to it and their drivers there. Nothing has been done then. */
  async #claimsFor(pod: Pod): Promise<readonly DriversOfClaim[]> {
    const { client, ledger, plugins } = this.#deps;
    const { namespace = '' } = pod.metadata ?? {};
    const found: DriversOfClaim[] = [];
    for (const podClaim of claimsOf(pod).values()) {
      const { name } = podClaim;
      const object = await client.resource(resourceClaims).get(name, { namespace });
      const drivers = driversOf(object);
      const problem =
        claimProblem(pod, object, podClaim) ?? drivers.map((driver) => plugins.problem(driver)).find(Boolean);
      if (problem !== undefined) throw new Error(problem);
      const uid = object.metadata?.uid ?? '';
      const known = ledger.get({ namespace, name });
      if (known !== undefined && known.uid !== uid)
        throw new Error(
          `old ResourceClaim with same name ${name} and different UID ${known.uid} still exists (previous pod force-deleted?!)`,
        );
      found.push({ claim: { namespace, name, uid }, drivers });
    }
    return found;
  }

  async #prepareBatch(driver: string, claims: readonly ClaimName[], signal: AbortSignal): Promise<void> {
    const { ledger, plugins } = this.#deps;
    const answers = await plugins.prepare(driver, claims, signal).catch((error: unknown) => {
      throw new Error(`NodePrepareResources: ${errorText(error)}`);
    });
    const unknown = [...answers.keys()].find((uid) => !claims.some((claim) => claim.uid === uid));
    if (unknown !== undefined) throw new Error(`NodePrepareResources returned result for unknown claim UID ${unknown}`);
    for (const claim of claims) {
      const answer = answers.get(claim.uid);
      if (answer === undefined) continue;
      if ('error' in answer)
        throw new Error(`NodePrepareResources failed for ResourceClaim ${claim.name}: ${answer.error}`);
      ledger.made(claim, driver, answer.devices);
    }
    const skipped = claims.length - answers.size;
    if (skipped > 0) throw new Error(`NodePrepareResources skipped ${skipped} ResourceClaims`);
  }

  async #giveBack(podUid: string, signal: AbortSignal): Promise<void> {
    const { ledger } = this.#deps;
    const own = ledger.ofPod(podUid);
    if (own.length === 0) return;
    const last = own.filter(({ podUids }) => podUids.length === 1);
    const batches = byDriver(last.map((claim) => ({ claim, drivers: Object.keys(claim.drivers) })));
    for (const [driver, batch] of batches) await this.#unprepareBatch(driver, batch, signal);
    for (const claim of own) {
      if (last.includes(claim)) ledger.forget(claim);
      else ledger.leave(claim, podUid);
    }
    this.#save();
  }

  async #unprepareBatch(driver: string, claims: readonly ClaimName[], signal: AbortSignal): Promise<void> {
    const answers = await this.#deps.plugins.unprepare(driver, claims, signal).catch((error: unknown) => {
      throw new Error(`NodeUnprepareResources: ${errorText(error)}`);
    });
    for (const claim of claims) {
      const problem = answers.get(claim.uid);
      if (problem) throw new Error(`NodeUnprepareResources failed for ResourceClaim ${claim.name}: ${problem}`);
    }
    const skipped = claims.filter(({ uid }) => !answers.has(uid)).length;
    if (skipped > 0) throw new Error(`NodeUnprepareResources skipped ${skipped} ResourceClaims`);
  }

  #save(): void {
    const { ledger, save } = this.#deps;
    save(ledger.record());
  }
}

interface DriversOfClaim {
  readonly claim: ClaimName | NotedClaim;
  readonly drivers: readonly string[];
}

function byDriver(claims: readonly DriversOfClaim[]): ReadonlyMap<string, readonly ClaimName[]> {
  const batches = new Map<string, ClaimName[]>();
  for (const { claim, drivers } of claims)
    for (const driver of drivers) batches.set(driver, [...(batches.get(driver) ?? []), claim]);
  return batches;
}

/** A request, or one of those that it may be had by. Source: `resourceclaim.ConfigForResult`, subrequests. */
function isOf(request: string, device: string): boolean {
  return device === request || device.startsWith(`${request}/`);
}

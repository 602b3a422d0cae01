/**
 * Binds claims to volumes, makes volumes for claims of the built-in provisioner's classes, and does with volumes whose claims are gone what their policy
 * says. Claims of classes that wait for their first consumer are left alone until the scheduler has chosen a volume or a node.
 * Upstream counterpart: `pkg/controller/volume/persistentvolume`.
 */
import {
  isPromisedTo,
  matchVolume,
  misfit,
  nodeFolderDriver,
  noProvisioner,
  storageClassOf,
  volumeAnnotations,
} from '#pkg/api/storage/volume-match.ts';
import type { Node, PersistentVolume, PersistentVolumeClaim } from '#pkg/api/types/core-v1.ts';
import { nodes, persistentVolumeClaims, persistentVolumes, storageClasses } from '#pkg/api/types/refs.ts';
import type { StorageClass } from '#pkg/api/types/storage-v1.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { compareQuantity, parseQuantity, zeroQuantity } from '#pkg/apimachinery/quantity.ts';
import { isAlreadyExists, isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import type { Lister } from '#pkg/client/informer.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import { bind, setClaimPhase, setPhase, unbind } from './binding.ts';
import { provisionedName, provisionedVolume, unprovisionable } from './provision.ts';

/** One: two claims at the same time would choose the same volume, and one of them lose it again. Upstream has one for each sort, too. */
const workers = 1;
/** Claims that wait for a volume are looked at again after this time, beside when a volume comes. Source: `PVClaimBinderSyncPeriod`. */
const resyncMs = 15_000;

const claimPrefix = 'claim:';
const volumePrefix = 'volume:';

/** The binder. */
export function createPersistentVolumeBinder(context: ControllerContext): Component {
  return new Binder(context).component;
}

class Binder {
  readonly component: Component;
  readonly #context: ControllerContext;
  readonly #claims: Lister<PersistentVolumeClaim>;
  readonly #volumes: Lister<PersistentVolume>;
  readonly #classes: Lister<StorageClass>;
  readonly #nodes: Lister<Node>;
  readonly #events: EventRecorder;
  readonly #expanding: EventRecorder;

  constructor(context: ControllerContext) {
    this.#context = context;
    const { informers } = context;
    const claims = informers.informer(persistentVolumeClaims);
    const volumes = informers.informer(persistentVolumes);
    this.#claims = claims.lister;
    this.#volumes = volumes.lister;
    this.#classes = informers.informer(storageClasses).lister;
    this.#nodes = informers.informer(nodes).lister;
    this.#events = context.recorder('persistentvolume-controller');
    this.#expanding = context.recorder('volume_expand');
    const loop = createLoop(context, {
      name: 'persistentvolume-binder',
      workers,
      reconcile: (key) => this.#reconcile(key),
    });
    const { queue } = loop;
    const claimChanged = (claim: PersistentVolumeClaim): void => {
      queue.add(claimPrefix + objectKey(claim));
      const volume = claim.spec?.volumeName ?? '';
      if (volume !== '') queue.add(volumePrefix + volume);
    };
    claims.addHandler({
      added: claimChanged,
      updated: (_, claim) => claimChanged(claim),
      deleted: claimChanged,
    });
    const volumeChanged = (volume: PersistentVolume): void => {
      queue.add(volumePrefix + (volume.metadata?.name ?? ''));
      const ref = volume.spec?.claimRef;
      if (ref !== undefined) queue.add(`${claimPrefix}${ref.namespace}/${ref.name}`);
    };
    volumes.addHandler({
      added: volumeChanged,
      updated: (_, volume) => volumeChanged(volume),
      deleted: volumeChanged,
    });
    this.component = loop;
  }

  async #reconcile(key: string): Promise<ReconcileResult> {
    try {
      if (key.startsWith(claimPrefix)) {
        const claim = this.#claims.get(key.slice(claimPrefix.length));
        return claim === undefined ? undefined : await this.#syncClaim(claim);
      }
      const volume = this.#volumes.get(key.slice(volumePrefix.length));
      if (volume !== undefined) await this.#syncVolume(volume);
    } catch (error) {
      // Deleted in the meantime: the informer says so next.
      if (!isNotFound(error)) throw error;
    }
    return undefined;
  }

  async #syncClaim(claim: PersistentVolumeClaim): Promise<ReconcileResult> {
    const { volumeName = '' } = claim.spec ?? {};
    if (claim.metadata?.annotations?.[volumeAnnotations.bindCompleted] !== undefined) {
      await this.#syncBound(claim, this.#volumes.get(volumeName));
      return undefined;
    }
    if (volumeName !== '') return this.#syncNamed(claim, this.#volumes.get(volumeName));
    const isDelayed = this.#isDelayed(claim);
    const all = this.#volumes.list();
    const volume = isDelayed ? all.find((one) => isUsable(one, claim)) : matchVolume(claim, all);
    if (volume !== undefined) await bind(this.#context, volume, claim);
    else await this.#wait(claim, isDelayed);
    return volume === undefined ? { requeueAfterMs: resyncMs } : undefined;
  }

  /** A claim that asks for one volume. */
  async #syncNamed(claim: PersistentVolumeClaim, volume: PersistentVolume | undefined): Promise<ReconcileResult> {
    const again = { requeueAfterMs: resyncMs };
    if (volume === undefined) {
      await setClaimPhase(this.#context, claim, 'Pending');
      return again;
    }
    if (volume.spec?.claimRef !== undefined && !isPromisedTo(volume, claim)) {
      this.#say(
        claim,
        'FailedBinding',
        `volume ${JSON.stringify(volume.metadata?.name)} already bound to a different claim.`,
      );
      return again;
    }
    const problem = volume.spec?.claimRef === undefined ? misfit(volume, claim) : undefined;
    if (problem !== undefined) {
      this.#say(
        claim,
        'VolumeMismatch',
        `Cannot bind to requested volume ${JSON.stringify(volume.metadata?.name)}: ${problem}`,
      );
      return again;
    }
    await bind(this.#context, volume, claim);
    return undefined;
  }

  async #syncBound(claim: PersistentVolumeClaim, volume: PersistentVolume | undefined): Promise<void> {
    const lost = async (reason: string, message: string): Promise<void> => {
      if (claim.status?.phase === 'Lost') return;
      await setClaimPhase(this.#context, claim, 'Lost');
      this.#say(claim, reason, message);
    };
    if ((claim.spec?.volumeName ?? '') === '')
      return lost('ClaimLost', 'Bound claim has lost reference to PersistentVolume. Data on the volume is lost!');
    if (volume === undefined)
      return lost('ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!');
    if (volume.spec?.claimRef !== undefined && !isPromisedTo(volume, claim))
      return lost('ClaimMisbound', 'Two claims are bound to the same volume, this one is bound incorrectly');
    await bind(this.#context, volume, claim);
  }

  /** Nothing there is does: makes one, asks somebody else to, or says what is waited for. */
  async #wait(claim: PersistentVolumeClaim, isDelayed: boolean): Promise<void> {
    const className = storageClassOf(claim);
    const selected = claim.metadata?.annotations?.[volumeAnnotations.selectedNode];
    const storageClass = className === '' ? undefined : this.#classes.get(className);
    if (isDelayed && selected === undefined) {
      const message = 'waiting for first consumer to be created before binding';
      this.#say(claim, 'WaitForFirstConsumer', message, 'Normal');
    } else if (storageClass === undefined && className !== '') {
      this.#say(claim, 'ProvisioningFailed', `storageclass.storage.k8s.io "${className}" not found`);
    } else if (storageClass === undefined || storageClass.provisioner === noProvisioner) {
      const message = 'no persistent volumes available for this claim and no storage class is set';
      this.#say(claim, 'FailedBinding', message, 'Normal');
    } else if (storageClass.provisioner === nodeFolderDriver) {
      await this.#provision(claim, { storageClass, selected });
      return;
    } else await this.#askProvisioner(claim, storageClass.provisioner);
    await setClaimPhase(this.#context, claim, 'Pending');
  }

  async #provision(
    claim: PersistentVolumeClaim,
    { storageClass, selected }: { readonly storageClass: StorageClass; readonly selected: string | undefined },
  ): Promise<void> {
    const problem = unprovisionable(claim);
    const node = selected === undefined ? firstByName(this.#nodes.list()) : this.#nodes.get(selected);
    if (problem !== undefined || node === undefined) {
      const why = problem ?? `node ${selected === undefined ? '' : `"${selected}" `}not found`;
      this.#say(
        claim,
        'ProvisioningFailed',
        `failed to provision volume with StorageClass "${storageClassOf(claim)}": ${why}`,
      );
      return;
    }
    try {
      await this.#context.client.resource(persistentVolumes).create(provisionedVolume(claim, { storageClass, node }));
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      return;
    }
    const message = `Successfully provisioned volume ${provisionedName(claim)}`;
    this.#say(claim, 'ProvisioningSucceeded', message, 'Normal');
  }

  /** A provisioner beside the cluster finds what it has to do by an annotation. */
  async #askProvisioner(claim: PersistentVolumeClaim, provisioner: string): Promise<void> {
    const annotations = claim.metadata?.annotations ?? {};
    if (annotations[volumeAnnotations.provisioner] !== provisioner) {
      const { provisioner: now, oldProvisioner: old } = volumeAnnotations;
      const metadata = { ...claim.metadata, annotations: { ...annotations, [now]: provisioner, [old]: provisioner } };
      await this.#context.client.resource(persistentVolumeClaims).update({ ...claim, metadata });
    }
    const message = `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`;
    this.#say(claim, 'ExternalProvisioning', message, 'Normal');
  }

  async #syncVolume(volume: PersistentVolume): Promise<void> {
    const ref = volume.spec?.claimRef;
    if (ref === undefined || (ref.uid ?? '') === '') return setPhase(this.#context, volume, 'Available');
    const claim = await this.#claimOf(volume);
    if (claim === undefined) return this.#reclaim(volume);
    const { volumeName = '' } = claim.spec ?? {};
    if (volumeName === volume.metadata?.name) return this.#grow(volume, claim);
    // The claim's own turn comes next.
    if (volumeName === '') return;
    const annotations = volume.metadata?.annotations ?? {};
    if (annotations[volumeAnnotations.provisionedBy] !== undefined) return this.#reclaim(volume);
    return unbind(this.#context, volume);
  }

  /** The claim that the volume is of, if it is still there: asked of the server before the volume is given up. */
  async #claimOf(volume: PersistentVolume): Promise<PersistentVolumeClaim | undefined> {
    const { namespace = '', name = '', uid } = volume.spec?.claimRef ?? {};
    const known = this.#claims.get(`${namespace}/${name}`);
    if (known?.metadata?.uid === uid) return known;
    try {
      const claim = await this.#context.client.resource(persistentVolumeClaims).get(name, { namespace });
      return claim.metadata?.uid === uid ? claim : undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** The claim is gone: what becomes of the volume. */
  async #reclaim(volume: PersistentVolume): Promise<void> {
    const isFailed = volume.status?.phase === 'Failed';
    if (!isFailed && volume.status?.phase !== 'Released') return setPhase(this.#context, volume, 'Released');
    if (volume.metadata?.deletionTimestamp !== undefined || isFailed) return;
    const policy = volume.spec?.persistentVolumeReclaimPolicy;
    const provisioner = volume.metadata?.annotations?.[volumeAnnotations.provisionedBy];
    if (policy === 'Delete' && provisioner === nodeFolderDriver) {
      await this.#context.client.resource(persistentVolumes).delete(volume.metadata?.name ?? '');
    } else if ((policy === 'Delete' && provisioner === undefined) || policy === 'Recycle') {
      const what = policy === 'Delete' ? 'deletable' : 'recyclable';
      const message = `no ${what} volume plugin matched`;
      await setPhase(this.#context, volume, 'Failed', message);
      const reason = policy === 'Delete' ? 'VolumeFailedDelete' : 'VolumeFailedRecycle';
      this.#events.record(volume, { type: 'Warning', reason, message });
    }
  }

  /** A claim that asks for more of a folder gets it: folders have no size of their own. */
  async #grow(volume: PersistentVolume, claim: PersistentVolumeClaim): Promise<void> {
    await setPhase(this.#context, volume, 'Bound');
    const storage = claim.spec?.resources?.requests?.storage;
    const held = claim.status?.capacity?.storage;
    const driver = volume.spec?.csi?.driver;
    if (driver === undefined || storage === undefined || held === undefined) return;
    const wanted = parseQuantity(storage) ?? zeroQuantity;
    const isMore = (than: string | undefined): boolean =>
      compareQuantity(wanted, parseQuantity(than ?? '0') ?? zeroQuantity) > 0;
    if (driver !== nodeFolderDriver) {
      // Drivers of others have resizers beside the cluster. Source: `pkg/controller/volume/expand`.
      const message = 'waiting for an external controller to expand this PVC';
      if (isMore(held)) this.#expanding.record(claim, { type: 'Normal', reason: 'ExternalExpanding', message });
      return;
    }
    const { client } = this.#context;
    if (isMore(volume.spec?.capacity?.storage)) {
      const spec = { ...volume.spec, capacity: { ...volume.spec?.capacity, storage } };
      await client.resource(persistentVolumes).update({ ...this.#volumes.get(volume.metadata?.name ?? ''), spec });
    }
    if (!isMore(held)) return;
    const status = { ...claim.status, capacity: { ...claim.status?.capacity, storage } };
    await client.resource(persistentVolumeClaims).update({ ...claim, status }, { subresource: 'status' });
    this.#say(claim, 'VolumeResizeSuccessful', 'Resize volume succeeded', 'Normal');
  }

  #isDelayed(claim: PersistentVolumeClaim): boolean {
    return this.#classes.get(storageClassOf(claim))?.volumeBindingMode === 'WaitForFirstConsumer';
  }

  #say(claim: PersistentVolumeClaim, reason: string, message: string, type: 'Normal' | 'Warning' = 'Warning'): void {
    this.#events.record(claim, { type, reason, message });
  }
}

/** Whether the scheduler, or whoever made the volume, has promised it to the claim. */
function isUsable(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  return (
    isPromisedTo(volume, claim) &&
    volume.metadata?.deletionTimestamp === undefined &&
    misfit(volume, claim) === undefined
  );
}

function firstByName(all: readonly Node[]): Node | undefined {
  return [...all].sort((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1))[0];
}

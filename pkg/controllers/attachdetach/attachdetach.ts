/**
 * Has volumes of CSI drivers attached to the nodes of the pods that use them, and detached once no pod there does: by VolumeAttachments, which a program of
 * the driver carries out. What is attached stands in the node's status. A volume for one node is not asked for on a second one while the first has it.
 * Only for drivers whose CSIDriver does not say that nothing has to be attached. Upstream counterpart: `pkg/controller/volume/attachdetach`.
 */

import { isPodTerminal } from '#pkg/api/core/pod.ts';
import { attachmentFor, deviceName, isExclusive, needsAttachment } from '#pkg/api/storage/attachment.ts';
import { claimNameOf } from '#pkg/api/storage/claim-name.ts';
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod } from '#pkg/api/types/core-v1.ts';
import {
  csiDrivers,
  nodes,
  persistentVolumeClaims,
  persistentVolumes,
  pods,
  volumeAttachments,
} from '#pkg/api/types/refs.ts';
import type { CSIDriver, VolumeAttachment } from '#pkg/api/types/storage-v1.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { isAlreadyExists, isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import type { Informer } from '#pkg/client/informer.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import { indexByNode, podsOnNode } from '../common/pod.ts';

/** Nodes worked on at the same time. */
const workers = 10;
/** A volume that its node still has mounted is waited for this long. Source: `ReconcilerMaxWaitForUnmountDuration`. */
const unmountMsMax = 6 * 60_000;
const nodeIndex = 'node';

/** The attach/detach controller. */
export function createAttachDetachController(context: ControllerContext): Component {
  return new AttachDetach(context).component;
}

class AttachDetach {
  readonly component: Component;
  readonly #context: ControllerContext;
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<Node>;
  readonly #claims: Informer<PersistentVolumeClaim>;
  readonly #volumes: Informer<PersistentVolume>;
  readonly #drivers: Informer<CSIDriver>;
  readonly #attachments: Informer<VolumeAttachment>;
  readonly #events: EventRecorder;
  /** Since when each attachment is no longer wanted, of those whose node still has the volume mounted. */
  readonly #unwantedSinceMs = new Map<string, number>();

  constructor(context: ControllerContext) {
    this.#context = context;
    const { informers } = context;
    this.#pods = informers.informer(pods);
    this.#nodes = informers.informer(nodes);
    this.#claims = informers.informer(persistentVolumeClaims);
    this.#volumes = informers.informer(persistentVolumes);
    this.#drivers = informers.informer(csiDrivers);
    this.#attachments = informers.informer(volumeAttachments);
    this.#events = context.recorder('attachdetach-controller');
    const loop = createLoop(context, { name: 'attachdetach', workers, reconcile: (node) => this.#reconcile(node) });
    const { queue } = loop;
    indexByNode(this.#pods);
    this.#attachments.addIndex(nodeIndex, ({ spec }) => [spec.nodeName]);
    const podChanged = ({ spec }: Pod): void => {
      if (spec?.nodeName && spec.volumes?.some(isClaimed) === true) queue.add(spec.nodeName);
    };
    this.#pods.addHandler({ added: podChanged, updated: (_, pod) => podChanged(pod), deleted: podChanged });
    const attachmentGone = ({ metadata, spec }: VolumeAttachment): void => {
      this.#unwantedSinceMs.delete(metadata?.name ?? '');
      queue.add(spec.nodeName);
      // Whoever waits for the volume elsewhere.
      for (const pod of this.#pods.lister.list()) podChanged(pod);
    };
    this.#attachments.addHandler({
      added: ({ spec }) => queue.add(spec.nodeName),
      updated: (_, { spec }) => queue.add(spec.nodeName),
      deleted: attachmentGone,
    });
    this.#claims.addHandler({
      updated: (before, claim) => {
        if (before.spec?.volumeName === claim.spec?.volumeName) return;
        for (const pod of this.#pods.lister.list(claim.metadata?.namespace)) podChanged(pod);
      },
    });
    this.component = loop;
  }

  async #reconcile(nodeName: string): Promise<ReconcileResult> {
    const wanted = this.#wantedOn(nodeName);
    const there = this.#attachments.lister.byIndex(nodeIndex, nodeName);
    const names = new Set(there.map(({ metadata }) => metadata?.name));
    for (const { volume, users } of wanted.values()) {
      const attachment = attachmentFor(volume, nodeName);
      if (names.has(attachment.metadata?.name) || this.#isTaken(volume, nodeName, users)) continue;
      await this.#create(attachment);
    }
    let dueMs: number | undefined;
    for (const attachment of there) {
      const leftMs = await this.#detach(attachment, wanted);
      if (leftMs > 0) dueMs = Math.min(dueMs ?? leftMs, leftMs);
    }
    await this.#say(nodeName, there);
    return dueMs === undefined ? undefined : { requeueAfterMs: dueMs };
  }

  /** Volumes that pods of a node use, by the names of their attachments. */
  #wantedOn(nodeName: string): ReadonlyMap<string, { readonly volume: PersistentVolume; readonly users: Pod[] }> {
    const wanted = new Map<string, { readonly volume: PersistentVolume; readonly users: Pod[] }>();
    for (const pod of podsOnNode(this.#pods, nodeName)) {
      if (isPodTerminal(pod)) continue;
      for (const volume of this.#volumesOf(pod)) {
        const name = attachmentFor(volume, nodeName).metadata?.name ?? '';
        const entry = wanted.get(name) ?? { volume, users: [] };
        entry.users.push(pod);
        wanted.set(name, entry);
      }
    }
    return wanted;
  }

  /** The volumes of a pod that have to be attached. */
  #volumesOf(pod: Pod): readonly PersistentVolume[] {
    return (pod.spec?.volumes ?? []).flatMap((one) => {
      const claimName = claimNameOf(pod, one);
      const claim = claimName && this.#claims.lister.get(`${pod.metadata?.namespace}/${claimName}`);
      const volume = claim ? this.#volumes.lister.get(claim.spec?.volumeName ?? '') : undefined;
      const driver = volume?.spec?.csi?.driver ?? '';
      return volume !== undefined && needsAttachment(volume, this.#drivers.lister.get(driver)) ? [volume] : [];
    });
  }

  /** Whether the volume is for one node and another has it, which its pods here are then told. */
  #isTaken(volume: PersistentVolume, nodeName: string, users: readonly Pod[]): boolean {
    if (!isExclusive(volume)) return false;
    const { name = '' } = volume.metadata ?? {};
    const isElsewhere = ({ spec }: VolumeAttachment): boolean =>
      spec.source.persistentVolumeName === name && spec.nodeName !== nodeName;
    if (!this.#attachments.lister.list().some(isElsewhere)) return false;
    const message = `Multi-Attach error for volume "${name}" Volume is already exclusively attached to one node and can't be attached to another`;
    for (const pod of users) this.#events.record(pod, { type: 'Warning', reason: 'FailedAttachVolume', message });
    return true;
  }

  async #create(attachment: VolumeAttachment): Promise<void> {
    try {
      await this.#context.client.resource(volumeAttachments).create(attachment);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }

  /** Milliseconds for which the node's unmounting is still waited for; 0 where there is nothing to wait for. */
  async #detach(attachment: VolumeAttachment, wanted: ReadonlyMap<string, unknown>): Promise<number> {
    const { name = '', deletionTimestamp } = attachment.metadata ?? {};
    const { source, nodeName } = attachment.spec;
    if (wanted.has(name)) this.#unwantedSinceMs.delete(name);
    const volume = this.#volumes.lister.get(source.persistentVolumeName ?? '');
    // Others' attachments have other names. Of a volume that is gone the name cannot be told: nobody uses it.
    const isOwn =
      volume === undefined ? name.startsWith('csi-') : attachmentFor(volume, nodeName).metadata?.name === name;
    if (wanted.has(name) || deletionTimestamp !== undefined || !isOwn) return 0;
    const inUse = this.#nodes.lister.get(nodeName)?.status?.volumesInUse ?? [];
    if (volume !== undefined && inUse.includes(deviceName(volume))) {
      const nowMs = this.#context.clock.monotonicMs();
      const sinceMs = this.#unwantedSinceMs.get(name) ?? nowMs;
      this.#unwantedSinceMs.set(name, sinceMs);
      if (nowMs - sinceMs < unmountMsMax) return sinceMs + unmountMsMax - nowMs;
    }
    this.#unwantedSinceMs.delete(name);
    try {
      await this.#context.client.resource(volumeAttachments).delete(name);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return 0;
  }

  /** Says in the node's status what is attached. */
  async #say(nodeName: string, attachments: readonly VolumeAttachment[]): Promise<void> {
    const node = this.#nodes.lister.get(nodeName);
    if (node === undefined) return;
    const attached = attachments.flatMap(({ spec, status, metadata }) => {
      const volume = this.#volumes.lister.get(spec.source.persistentVolumeName ?? '');
      if (volume === undefined || status?.attached !== true || metadata?.deletionTimestamp !== undefined) return [];
      return [{ name: deviceName(volume), devicePath: '' }];
    });
    const volumesAttached = attached.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    if (deepEqual(volumesAttached, node.status?.volumesAttached ?? [])) return;
    const how = { type: 'merge', subresource: 'status' } as const;
    const patch = { status: { volumesAttached: volumesAttached.length === 0 ? null : volumesAttached } };
    try {
      await this.#context.client.resource(nodes).patch(nodeName, patch, how);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

function isClaimed({
  persistentVolumeClaim,
  ephemeral,
}: {
  persistentVolumeClaim?: unknown;
  ephemeral?: unknown;
}): boolean {
  return persistentVolumeClaim !== undefined || ephemeral !== undefined;
}

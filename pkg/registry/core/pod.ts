/**
 * Pods. Their deletion is graceful as long as a node may still be running them. Source: upstream `pkg/registry/core/pod/strategy.go`.
 */

import type { Pod, PodSpec } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import { type Draft, fields, type Given } from '#pkg/apimachinery/draft.ts';
import { rootOf } from '#pkg/apimachinery/field-error.ts';
import { dns1123LabelProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { rulesOf, type StrategyContext } from '#pkg/apiserver/strategy.ts';
import { restoreField, shared } from '../draft.ts';
import { evictPod } from '../policy/eviction.ts';
import { keepStatus } from '../status.ts';
import { bindPod } from './binding.ts';
import { coreKind, proxyVerbs } from './connections.ts';
import { podAttach, podExec, podPortForward } from './pod-connect.ts';
import { setPodDefaults } from './pod-defaults.ts';
import { podLog } from './pod-log.ts';
import { qosClassOf } from './pod-qos.ts';
import { podTable } from './pod-table.ts';
import { hasDeprecatedAnnotations, podWarnings } from './pod-warnings.ts';
import { podProxy } from './proxy.ts';
import { tokenVolumeName } from './token-volume.ts';
import { newPodErrors, validatePod } from './validation/pod.ts';
import { hasCheckedAnnotations } from './validation/pod-annotations.ts';
import { validatePodResize } from './validation/pod-resize.ts';
import { validatePodStatusUpdate } from './validation/pod-status.ts';
import { validateEphemeralContainersUpdate, validatePodUpdate } from './validation/pod-update.ts';

/** Seconds a pod gets when it does not say how many. */
const defaultGraceSeconds = 30;

function prepareForCreate(pod: Draft<Pod>, context: StrategyContext): void {
  const problems = dns1123LabelProblems(pod.metadata?.name ?? '');
  if (problems.length > 0) {
    const why =
      "this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended";
    context.warn(`metadata.name: ${why}: [${problems.join(' ')}]`);
  }
  if (context.isSpecGood !== true) for (const text of podWarnings(pod, rootOf<Pod>())) context.warn(text);
  const status: JsonObject = { phase: 'Pending', qosClass: qosClassOf(pod) };
  if ((pod.spec?.schedulingGates ?? []).length > 0) {
    status.conditions = [
      {
        type: 'PodScheduled',
        status: 'False',
        reason: 'SchedulingGated',
        message: 'Scheduling is blocked due to non-empty scheduling gates',
      },
    ];
  }
  pod.status = status;
}

/** Some annotations have rules of their own, and the claims of ephemeral volumes are named for the pod. */
function standsApart(pod: Draft<Pod>): boolean {
  if (hasCheckedAnnotations(pod) || hasDeprecatedAnnotations(pod)) return true;
  const volumes = pod.spec?.volumes ?? [];
  return volumes.some(({ ephemeral }) => ephemeral !== undefined);
}

function gracefulDeletion(pod: Given<Pod>, requested: number | undefined): number | undefined {
  const isScheduled = (pod.spec?.nodeName ?? '') !== '';
  const phase = pod.status?.phase ?? '';
  if (!isScheduled || phase === 'Failed' || phase === 'Succeeded') return undefined;
  const seconds = requested ?? pod.spec?.terminationGracePeriodSeconds ?? defaultGraceSeconds;
  // A negative number means "as short as possible, but tell the node".
  if (seconds < 0) return 1;
  return seconds === 0 ? undefined : seconds;
}

function nodeNameOf({ spec }: Given<Pod>): string {
  return spec?.nodeName ?? '';
}

/** Nobody writes these another way, and those that ask for the pods of one node are many. */
const verbatimFields = ['spec.nodeName', 'spec.schedulerName', 'spec.serviceAccountName', 'status.nominatedNodeName'];

function selectableFields(pod: Given<Pod>): Readonly<Record<string, string>> {
  const podIps = (pod.status?.podIPs ?? []).map((entry) => entry.ip ?? '');
  return {
    'spec.nodeName': nodeNameOf(pod),
    'spec.restartPolicy': pod.spec?.restartPolicy ?? '',
    'spec.schedulerName': pod.spec?.schedulerName ?? '',
    'spec.serviceAccountName': pod.spec?.serviceAccountName ?? '',
    'spec.hostNetwork': String(pod.spec?.hostNetwork === true),
    'status.phase': pod.status?.phase ?? '',
    'status.podIP': podIps[0] ?? '',
    'status.podIPs': podIps.join(','),
    'status.nominatedNodeName': pod.status?.nominatedNodeName ?? '',
  };
}

/** Only the ephemeral containers come from the draft, the rest of the object from `old`. */
function keepAllButEphemeral(draft: Draft<Pod>, old: Given<Pod>): void {
  const ephemeralContainers = draft.spec?.ephemeralContainers;
  keepStatus(draft, old);
  draft.spec = {
    ...shared<PodSpec>(old.spec ?? {}),
    ...(ephemeralContainers === undefined ? {} : { ephemeralContainers }),
  };
}

/** Resources and resize policies of containers come from the draft, everything else from `old`. */
function keepAllButResources(draft: Draft<Pod>, old: Given<Pod>): void {
  const spec: Draft<PodSpec> = { ...shared<PodSpec>(old.spec ?? {}) };
  for (const list of fields('containers', 'initContainers')) {
    const wanted = new Map((draft.spec?.[list] ?? []).map((one) => [one.name ?? '', one]));
    spec[list] = spec[list]?.map((container) => {
      const { resources, resizePolicy } = wanted.get(container.name ?? '') ?? {};
      return {
        ...container,
        ...(resources === undefined ? {} : { resources }),
        ...(resizePolicy === undefined ? {} : { resizePolicy }),
      };
    });
    if (spec[list] === undefined) delete spec[list];
  }
  keepStatus(draft, old);
  draft.spec = spec;
}

/** Pods, with their subresources and the limits of what may change. */
export const podStrategy = rulesOf(pods, {
  specRules: { standsApart, randomName: (pod) => tokenVolumeName(pod.spec?.volumes) },
  setDefaults: setPodDefaults,
  prepareForCreate,
  prepareForUpdate(draft, old) {
    keepStatus(draft, old);
  },
  validate: validatePod,
  validateCreate: newPodErrors,
  validateUpdate: validatePodUpdate,
  selectableFields,
  selectsVerbatim: verbatimFields,
  selectableField: (pod, field) => (field === 'spec.nodeName' ? nodeNameOf(pod) : undefined),
  gracefulDeletion,
  subresources: {
    status: {
      prepareForUpdate(draft, old) {
        restoreField(draft, old, 'spec');
        const metadata = draft.metadata;
        // A node reports on its pods, but may neither revive one nor give it away.
        if (metadata !== undefined) {
          restoreField(metadata, old.metadata ?? {}, 'deletionTimestamp');
          restoreField(metadata, old.metadata ?? {}, 'ownerReferences');
        }
        const status = draft.status;
        const qosClass = old.status?.qosClass ?? '';
        if (status !== undefined && qosClass !== '') status.qosClass = qosClass;
      },
      validateUpdate: validatePodStatusUpdate,
    },
    ephemeralcontainers: {
      prepareForUpdate: keepAllButEphemeral,
      validateUpdate: validateEphemeralContainersUpdate,
    },
    resize: { prepareForUpdate: keepAllButResources, validateUpdate: validatePodResize },
  },
  creates: {
    binding: { kind: coreKind('Binding'), create: bindPod },
    eviction: { kind: { group: 'policy', version: 'v1', kind: 'Eviction' }, create: evictPod },
  },
  connects: {
    attach: { kind: coreKind('PodAttachOptions'), verbs: ['create', 'get'], connect: podAttach },
    exec: { kind: coreKind('PodExecOptions'), verbs: ['create', 'get'], connect: podExec },
    log: { kind: coreKind('Pod'), verbs: ['get'], options: coreKind('PodLogOptions'), connect: podLog },
    portforward: { kind: coreKind('PodPortForwardOptions'), verbs: ['create', 'get'], connect: podPortForward },
    proxy: { kind: coreKind('PodProxyOptions'), verbs: proxyVerbs, takesPath: true, connect: podProxy },
  },
  returnsDeleted: true,
  table: podTable,
});

/** The one list of admission plugins, in the order they run. */

import { type Authorizer, alwaysAllow } from '#pkg/apiserver/authz/authorizer.ts';
import type { AdmissionPlugin } from '#pkg/apiserver/strategy.ts';
import { escalationPlugin, type HeldRights } from '../rbac/escalation.ts';
import { certificatePowerPlugins, certificateSubjectRestrictionPlugin } from './certificates.ts';
import { claimResizePlugin } from './claim-resize.ts';
import { defaultIngressClassPlugin } from './default-ingress-class.ts';
import { defaultStorageClassPlugin } from './default-storage-class.ts';
import { defaultTolerationSecondsPlugin } from './default-toleration-seconds.ts';
import { limitRangerPlugin } from './limit-ranger.ts';
import { namespaceLifecyclePlugin } from './namespace-lifecycle.ts';
import { nodeRestrictionPlugin } from './node-restriction.ts';
import type { AddedPlugin } from './optional/table.ts';
import { createPodSecurityPlugin, type PodSecurityOptions } from './pod-security/pod-security.ts';
import { podTopologyLabelsPlugin } from './pod-topology-labels.ts';
import { priorityPlugin } from './priority.ts';
import type { LimitedResource } from './quota/limited.ts';
import { createResourceQuotaPlugin } from './quota/resource-quota.ts';
import { runtimeClassPlugin } from './runtime-class.ts';
import { serviceAccountPlugin } from './service-account.ts';
import { storageObjectInUsePlugin } from './storage-object-in-use.ts';
import { taintNodesByConditionPlugin } from './taint-nodes-by-condition.ts';

/** Which of the plugins run. */
export interface AdmissionOptions {
  /** Names of plugins that do not run, such as `ServiceAccount` where no controller makes service accounts. */
  readonly disabled?: readonly string[];
  /** Says who may approve and sign. Default: everybody. */
  readonly authorizer?: Authorizer;
  readonly podSecurity?: PodSecurityOptions;
  /** What may be used only where a quota covers it. Default: nothing. */
  readonly limitedResources?: readonly LimitedResource[];
  /** Plugins beside these, and where they are in the order. Default: none. */
  readonly added?: readonly AddedPlugin[];
  /** What users may do by roles and bindings, so that nobody gives more than they have. Absent: nobody looks. */
  readonly rights?: HeldRights;
  /** What users have registered. Default: nobody asks. */
  readonly registered?: readonly AdmissionPlugin[];
}

/** The plugins of a server. */
export function createAdmissionPlugins(options: AdmissionOptions = {}): readonly AdmissionPlugin[] {
  const disabled = new Set(options.disabled);
  const authorizer = options.authorizer ?? alwaysAllow();
  const plugins: readonly AdmissionPlugin[] = [
    namespaceLifecyclePlugin,
    limitRangerPlugin,
    serviceAccountPlugin,
    nodeRestrictionPlugin,
    taintNodesByConditionPlugin,
    createPodSecurityPlugin(options.podSecurity),
    priorityPlugin,
    defaultTolerationSecondsPlugin,
    defaultStorageClassPlugin,
    storageObjectInUsePlugin,
    claimResizePlugin,
    runtimeClassPlugin,
    ...certificatePowerPlugins(authorizer),
    certificateSubjectRestrictionPlugin,
    defaultIngressClassPlugin,
    podTopologyLabelsPlugin,
    ...(options.rights === undefined ? [] : [escalationPlugin(authorizer, options.rights)]),
    ...(options.registered ?? []),
    createResourceQuotaPlugin(options.limitedResources),
  ];
  const added = options.added ?? [];
  const after = (name: string): readonly AdmissionPlugin[] =>
    added.filter((one) => one.after === name).map(({ plugin }) => plugin);
  const all = [...after(''), ...plugins.flatMap((plugin) => [plugin, ...after(plugin.name)])];
  return all.filter((plugin) => !disabled.has(plugin.name));
}

/** The one list of admission plugins, in the order they run. */

import { type Authorizer, alwaysAllow } from '#pkg/apiserver/authz/authorizer.ts';
import type { AdmissionPlugin } from '#pkg/apiserver/strategy.ts';
import { escalationPlugin, type HeldRights } from '../rbac/escalation.ts';
import { certificatePowerPlugins, certificateSubjectRestrictionPlugin } from './certificates.ts';
import { defaultIngressClassPlugin } from './default-ingress-class.ts';
import { defaultStorageClassPlugin } from './default-storage-class.ts';
import { defaultTolerationSecondsPlugin } from './default-toleration-seconds.ts';
import { limitRangerPlugin } from './limit-ranger.ts';
import { namespaceLifecyclePlugin } from './namespace-lifecycle.ts';
import { nodeRestrictionPlugin } from './node-restriction.ts';
import { createPodSecurityPlugin, type PodSecurityOptions } from './pod-security/pod-security.ts';
import { podTopologyLabelsPlugin } from './pod-topology-labels.ts';
import { priorityPlugin } from './priority.ts';
import { runtimeClassPlugin } from './runtime-class.ts';
import { serviceAccountPlugin } from './service-account.ts';
import { taintNodesByConditionPlugin } from './taint-nodes-by-condition.ts';

/** Which of the plugins run. */
export interface AdmissionOptions {
  /** Names of plugins that do not run, such as `ServiceAccount` where no controller makes service accounts. */
  readonly disabled?: readonly string[];
  /** Says who may approve and sign. Default: everybody. */
  readonly authorizer?: Authorizer;
  readonly podSecurity?: PodSecurityOptions;
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
    runtimeClassPlugin,
    ...certificatePowerPlugins(authorizer),
    certificateSubjectRestrictionPlugin,
    defaultIngressClassPlugin,
    podTopologyLabelsPlugin,
    ...(options.rights === undefined ? [] : [escalationPlugin(authorizer, options.rights)]),
    ...(options.registered ?? []),
  ];
  return plugins.filter((plugin) => !disabled.has(plugin.name));
}

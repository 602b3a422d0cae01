/**
 * The one list of all resources that have rules of their own. A resource that is not here is served by the generic engine alone.
 * Adding one is its file and one line here: with the strategies where the table of API facts has its kind, else with the definitions.
 */

import type { CronJob } from '#pkg/api/types/batch-v1.ts';
import type { PodTemplate, PodTemplateSpec } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { pathsOf } from '#pkg/apimachinery/field-error.ts';
import type { ResourceDefinition } from '#pkg/apiserver/definition.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { admissionRegistrationStrategies } from './admissionregistration/strategies.ts';
import { customResourceDefinitionStrategy } from './apiextensions/custom-resource-definition.ts';
import { apiServiceDefinition } from './apiregistration/api-service.ts';
import { controllerRevisionStrategy } from './apps/controller-revision.ts';
import { daemonSetStrategy } from './apps/daemon-set.ts';
import { deploymentStrategy } from './apps/deployment.ts';
import { replicaSetStrategy } from './apps/replica-set.ts';
import { statefulSetStrategy } from './apps/stateful-set.ts';
import type { ServiceAccountIssuer } from './authentication/service-account-issuer.ts';
import { reviewStrategies } from './authorization/reviews.ts';
import { createHorizontalPodAutoscalerStrategy } from './autoscaling/horizontal-pod-autoscaler.ts';
import { cronJobStrategy } from './batch/cron-job.ts';
import { jobStrategy } from './batch/job.ts';
import { certificateSigningRequestStrategy } from './certificates/certificate-signing-request.ts';
import { leaseStrategy } from './coordination/lease.ts';
import { bindingStrategy } from './core/binding.ts';
import { componentStatusStrategy } from './core/component-status.ts';
import { configMapStrategy } from './core/config-map.ts';
import { createEndpointsStrategy } from './core/endpoints.ts';
import { eventStrategies } from './core/event.ts';
import { limitRangeStrategy } from './core/limit-range.ts';
import { namespaceStrategy } from './core/namespace.ts';
import { nodeStrategy } from './core/node.ts';
import { persistentVolumeStrategy } from './core/persistent-volume.ts';
import { persistentVolumeClaimStrategy } from './core/persistent-volume-claim.ts';
import { podStrategy } from './core/pod.ts';
import { podTemplateStrategy } from './core/pod-template.ts';
import { replicationControllerStrategy } from './core/replication-controller.ts';
import { resourceQuotaStrategy } from './core/resource-quota.ts';
import { secretStrategy } from './core/secret.ts';
import { type AddressRange, parseAddressRange } from './core/service/address-range.ts';
import type { AddressBook } from './core/service/ip-allocation.ts';
import type { NumberClaims, PortRange } from './core/service/port-allocation.ts';
import { createServiceStrategy } from './core/service/service.ts';
import { createServiceAccountStrategy } from './core/service-account.ts';
import { flowControlStrategies } from './flowcontrol/strategies.ts';
import { usageMetricsStrategies } from './metrics/usage-metrics.ts';
import { createNetworkingStrategies } from './networking/strategies.ts';
import { runtimeClassStrategy } from './node/runtime-class.ts';
import { nodeClaimDefinition } from './nodes/node-claim.ts';
import { nodePoolDefinition } from './nodes/node-pool.ts';
import { podDisruptionBudgetStrategy } from './policy/pod-disruption-budget.ts';
import type { Grant } from './rbac/policy/default-policy.ts';
import { rbacStrategies, strategiesWithPolicy } from './rbac/strategies.ts';
import { resourceStrategies } from './resource/strategies.ts';
import { podGroupStrategies } from './scheduling/pod-groups.ts';
import { priorityClassStrategy } from './scheduling/priority-class.ts';
import { storageStrategies } from './storage/strategies.ts';
import { storageMigrationStrategies } from './storagemigration/strategies.ts';
import { withTemplateWarnings } from './template-warnings.ts';
import { withUnbuiltWarnings } from './unbuilt.ts';
import type { IpRules } from './validation/ips.ts';
import { virtualMachineDefinition } from './vm/virtual-machine.ts';
import { virtualMachineMigrationDefinition } from './vm/virtual-machine-migration.ts';
import { virtualMachineSnapshotDefinition } from './vm/virtual-machine-snapshot.ts';
import { claimWarnings, serviceWarnings, statefulSetWarnings, volumeWarnings, withWarnings } from './warnings.ts';

/** What the strategies need to know of the cluster. */
export interface StrategyOptions {
  /** Range of cluster IPs, or one of each family with a comma between them, the primary one first. Default `10.96.0.0/12`; `127.96.0.0/12` is its counterpart on the loopback network. */
  readonly serviceCidr?: string;
  /** Default 30000 to 32767. */
  readonly nodePortRange?: PortRange;
  /** Where several servers give cluster IPs and node ports of the same ranges. */
  readonly numberClaims?: NumberClaims | undefined;
  /** The objects of addresses that Services were given. Absent: there are none. */
  readonly addresses?: AddressBook | undefined;
  /** Port at which the API server itself listens, for the Service `kubernetes`. Default 6443. */
  readonly apiServerPort?: number;
  /** Whether clients are warned of kinds that are only stored, as nothing acts on them. Default false: of a server alone nobody expects it. */
  readonly warnsOfUnbuilt?: boolean;
  /** Signs the tokens of service accounts. Absent: there are none. */
  readonly issuer?: ServiceAccountIssuer;
  /** Whether `metrics.k8s.io` is served, for which kubelets are asked. Default false. */
  readonly servesUsage?: boolean;
  /** Whether an autoscaler may take the last replica away. Default false. */
  readonly scalesToZero?: boolean;
  /** What is granted beside the roles and bindings that every cluster has, which are then made at the start. Absent: none of them are made. */
  readonly grants?: readonly Grant[];
}

/** What kinds whose template is in their spec have in common. */
interface Templated {
  readonly spec?: { readonly template?: PodTemplateSpec };
}

const inTemplates = {
  path: pathsOf<Templated>()('spec.template'),
  template: ({ spec }: Given<Templated>) => spec?.template,
};
const inPods = { ...inTemplates, namesPods: true };

const defaultServiceCidr = '10.96.0.0/12';
const defaultNodePortRange: PortRange = { first: 30000, last: 32767 };
const defaultApiServerPort = 6443;

/** The ranges of a text that is checked before. */
function serviceRanges(text: string): readonly AddressRange[] {
  return text
    .split(',')
    .map(parseAddressRange)
    .filter((range) => range !== undefined);
}

/** All strategies, for one server: those of Services hold what that server has given out. */
export function createStrategies(options: StrategyOptions = {}): readonly Strategy[] {
  const serviceCidr = options.serviceCidr ?? defaultServiceCidr;
  // Where Services have loopback addresses pods have them too.
  const ipRules: IpRules = { allowsLoopback: serviceCidr.startsWith('127.') };
  const ranges = serviceRanges(serviceCidr);
  const serviceOptions = {
    ranges,
    addresses: options.addresses,
    nodePortRange: options.nodePortRange ?? defaultNodePortRange,
    claims: options.numberClaims,
    apiServerPort: options.apiServerPort ?? defaultApiServerPort,
    ...ipRules,
  };
  const all: readonly Strategy[] = [
    podStrategy,
    bindingStrategy,
    nodeStrategy,
    namespaceStrategy,
    withWarnings(createServiceStrategy(serviceOptions), { warningsOf: serviceWarnings }),
    configMapStrategy,
    secretStrategy,
    createServiceAccountStrategy(options.issuer),
    ...eventStrategies,
    createEndpointsStrategy(ipRules),
    withWarnings(persistentVolumeStrategy, { warningsOf: volumeWarnings }),
    withWarnings(persistentVolumeClaimStrategy, { warningsOf: (claim) => claimWarnings(claim) }),
    withTemplateWarnings(replicationControllerStrategy, inPods),
    withTemplateWarnings(podTemplateStrategy, {
      path: pathsOf<PodTemplate>()('template'),
      template: ({ template }: Given<PodTemplate>) => template,
    }),
    limitRangeStrategy,
    resourceQuotaStrategy,
    componentStatusStrategy,
    withTemplateWarnings(deploymentStrategy, inPods),
    withTemplateWarnings(replicaSetStrategy, inPods),
    withWarnings(withTemplateWarnings(statefulSetStrategy, inTemplates), { warningsOf: statefulSetWarnings }),
    withTemplateWarnings(daemonSetStrategy, inTemplates),
    controllerRevisionStrategy,
    withTemplateWarnings(jobStrategy, inPods),
    withTemplateWarnings(cronJobStrategy, {
      path: pathsOf<CronJob>()('spec.jobTemplate.spec.template'),
      template: ({ spec }: Given<CronJob>) => spec?.jobTemplate?.spec?.template,
      namesPods: true,
    }),
    createHorizontalPodAutoscalerStrategy(options.scalesToZero),
    podDisruptionBudgetStrategy,
    ...(options.grants === undefined ? rbacStrategies : strategiesWithPolicy(options.grants)),
    ...createNetworkingStrategies(ipRules, ranges),
    leaseStrategy,
    ...storageStrategies,
    ...storageMigrationStrategies,
    priorityClassStrategy,
    ...podGroupStrategies,
    runtimeClassStrategy,
    certificateSigningRequestStrategy,
    ...admissionRegistrationStrategies,
    customResourceDefinitionStrategy,
    ...flowControlStrategies,
    ...resourceStrategies,
    ...reviewStrategies,
    ...(options.servesUsage === true ? usageMetricsStrategies : []),
  ];
  return options.warnsOfUnbuilt === true ? withUnbuiltWarnings(all, { isLoopback: ipRules.allowsLoopback }) : all;
}

/** Resources that the table of API facts does not have: each is a definition made from data (`structuralDefinition`). */
export const definitions: readonly ResourceDefinition[] = [
  apiServiceDefinition,
  virtualMachineDefinition,
  virtualMachineMigrationDefinition,
  virtualMachineSnapshotDefinition,
  nodePoolDefinition,
  nodeClaimDefinition,
];

/** All strategies with default options. */
export const strategies: readonly Strategy[] = createStrategies();

/** Every controller by the name under which it is switched on and off. A new controller, with its flags if it has any, is a folder and a line here. */

import { createAttachDetachController } from './attachdetach/attachdetach.ts';
import { createBootstrapSigner } from './bootstrapsigner/bootstrapsigner.ts';
import { createClusterRoleAggregationController } from './clusterroleaggregation/clusterroleaggregation.ts';
import { type ControllerTable, onDemand, withFlags } from './common/controller.ts';
import { createCronJobController } from './cronjob/cronjob.ts';
import { createCsrApprovingController } from './csrapproving/csrapproving.ts';
import { createCsrCleanerController } from './csrcleaner/csrcleaner.ts';
import { createCsrSigningController } from './csrsigning/csrsigning.ts';
import { createDaemonSetController } from './daemon/daemon.ts';
import { createDeploymentController } from './deployment/deployment.ts';
import { createDeviceTaintEvictionController } from './devicetainteviction/devicetainteviction.ts';
import { createDisruptionController } from './disruption/disruption.ts';
import { createEndpointController } from './endpoint/endpoint.ts';
import { createEndpointSliceController } from './endpointslice/endpointslice.ts';
import { createEndpointSliceMirroringController } from './endpointslicemirroring/endpointslicemirroring.ts';
import { createEphemeralVolumeController } from './ephemeralvolume/ephemeralvolume.ts';
import { createGarbageCollector } from './garbagecollector/garbagecollector.ts';
import { createJobController } from './job/job.ts';
import { createLegacyTokenCleaner, legacyTokenCleanerFlags } from './legacytokencleaner/legacytokencleaner.ts';
import { createNamespaceController } from './namespace/namespace.ts';
import { createNodeIpamController, nodeIpamFlags } from './nodeipam/nodeipam.ts';
import { createNodeLifecycleController, nodeLifecycleFlags } from './nodelifecycle/nodelifecycle.ts';
import { createNodePoolController } from './nodepool/nodepool.ts';
import { createPersistentVolumeBinder } from './persistentvolume/persistentvolume.ts';
import { createPodAutoscaler } from './podautoscaler/podautoscaler.ts';
import { podAutoscalerFlags } from './podautoscaler/podautoscaler-flags.ts';
import { createPodGcController, podGcFlags } from './podgc/podgc.ts';
import { createReplicaSetController } from './replicaset/replicaset.ts';
import { createReplicationController } from './replication/replication.ts';
import { createResourceClaimController } from './resourceclaim/resourceclaim.ts';
import { createResourceQuotaController, resourceQuotaFlags } from './resourcequota/resourcequota.ts';
import { createServiceCidrController } from './service-cidrs/service-cidrs.ts';
import { createRootCaPublisher } from './serviceaccount/root-ca-publisher.ts';
import { createServiceAccountController } from './serviceaccount/serviceaccount.ts';
import { createServiceAccountTokenController } from './serviceaccounttoken/serviceaccounttoken.ts';
import { createStatefulSetController } from './statefulset/statefulset.ts';
import { createStorageVersionCollector } from './storageversiongc/storageversiongc.ts';
import { createStorageVersionMigrator } from './storageversionmigrator/storageversionmigrator.ts';
import { createTaintEvictionController } from './tainteviction/tainteviction.ts';
import { createTokenCleaner } from './tokencleaner/tokencleaner.ts';
import { createTtlAfterFinishedController } from './ttlafterfinished/ttlafterfinished.ts';
import { createPolicyStatusController } from './validatingadmissionpolicystatus/validatingadmissionpolicystatus.ts';
import { createVirtualMachineController } from './virtualmachine/virtualmachine.ts';
import { createEvacuationController } from './virtualmachineevacuation/virtualmachineevacuation.ts';
import { createMigrationController } from './virtualmachinemigration/virtualmachinemigration.ts';
import { createSnapshotController } from './virtualmachinesnapshot/virtualmachinesnapshot.ts';
import { createStandbyController } from './virtualmachinestandby/virtualmachinestandby.ts';
import { createClaimProtection } from './volumeprotection/claim-protection.ts';
import { createVolumeProtection } from './volumeprotection/volume-protection.ts';

/** In the order in which they start. Names are upstream's. */
export const controllerTable: ControllerTable = {
  'serviceaccount-controller': createServiceAccountController,
  'root-ca-certificate-publisher-controller': createRootCaPublisher,
  'namespace-controller': createNamespaceController,
  'node-ipam-controller': withFlags(nodeIpamFlags, createNodeIpamController),
  'node-lifecycle-controller': withFlags(nodeLifecycleFlags, createNodeLifecycleController),
  'taint-eviction-controller': createTaintEvictionController,
  'device-taint-eviction-controller': createDeviceTaintEvictionController,
  'deployment-controller': createDeploymentController,
  'replicaset-controller': createReplicaSetController,
  'replicationcontroller-controller': createReplicationController,
  'daemonset-controller': createDaemonSetController,
  'statefulset-controller': createStatefulSetController,
  'job-controller': createJobController,
  'cronjob-controller': createCronJobController,
  'ttl-after-finished-controller': createTtlAfterFinishedController,
  'virtualmachine-controller': createVirtualMachineController,
  'virtualmachineevacuation-controller': createEvacuationController,
  'virtualmachinemigration-controller': createMigrationController,
  'virtualmachinesnapshot-controller': createSnapshotController,
  'virtualmachinestandby-controller': createStandbyController,
  'horizontal-pod-autoscaler-controller': withFlags(podAutoscalerFlags, createPodAutoscaler),
  'disruption-controller': createDisruptionController,
  'endpoints-controller': createEndpointController,
  'endpointslice-controller': createEndpointSliceController,
  'endpointslice-mirroring-controller': createEndpointSliceMirroringController,
  'garbage-collector-controller': createGarbageCollector,
  'resourcequota-controller': withFlags(resourceQuotaFlags, createResourceQuotaController),
  'pod-garbage-collector-controller': withFlags(podGcFlags, createPodGcController),
  'certificatesigningrequest-approving-controller': createCsrApprovingController,
  'certificatesigningrequest-signing-controller': createCsrSigningController,
  'certificatesigningrequest-cleaner-controller': createCsrCleanerController,
  'clusterrole-aggregation-controller': createClusterRoleAggregationController,
  'serviceaccount-token-controller': createServiceAccountTokenController,
  'bootstrap-signer-controller': createBootstrapSigner,
  'token-cleaner-controller': createTokenCleaner,
  'legacy-serviceaccount-token-cleaner-controller': withFlags(legacyTokenCleanerFlags, createLegacyTokenCleaner),
  'persistentvolume-binder-controller': createPersistentVolumeBinder,
  'persistentvolumeclaim-protection-controller': createClaimProtection,
  'persistentvolume-protection-controller': createVolumeProtection,
  'persistentvolume-attach-detach-controller': createAttachDetachController,
  'ephemeral-volume-controller': createEphemeralVolumeController,
  'resourceclaim-controller': createResourceClaimController,
  'service-cidr-controller': createServiceCidrController,
  'nodepool-controller': createNodePoolController,
  'storage-version-migrator-controller': onDemand(createStorageVersionMigrator),
  'storageversion-garbage-collector-controller': onDemand(createStorageVersionCollector),
  'validatingadmissionpolicy-status-controller': createPolicyStatusController,
};

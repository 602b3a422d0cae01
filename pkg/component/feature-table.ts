/**
 * The feature gates of Kubernetes 1.36: their stages and defaults, and what there is of each here. Whoever graduates a feature, or builds one,
 * changes a line.
 *
 * Source: `versioned_feature_list.yaml` of the release, with apiserver's and client-go's `features`.
 */

/** How far a feature is; `''` is generally available. As upstream's metric writes it. */
type Stage = 'ALPHA' | 'BETA' | '' | 'DEPRECATED';

/** What setting a gate does: the component does as it says; nothing that anybody could see; nothing, so that only the state in which it is may be asked for. */
type Effect = 'switched' | 'inner' | 'fixed';

/** One gate. */
export interface FeatureGate {
  readonly stage: Stage;
  readonly default: boolean;
  /** Whether upstream takes no other value than the default. */
  readonly isLocked: boolean;
  readonly effect: Effect;
  /** Whether it is on here unless it is switched: other than the default where upstream's feature is not built, or is there for good. */
  readonly isOn: boolean;
}

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** Gates by stage, default and whether that is the only value. */
const groups: readonly (readonly [stage: Stage, isOn: boolean, isLocked: boolean, names: readonly string[]])[] = [
  [
    'ALPHA',
    false,
    false,
    words(`
      AllAlpha AllowUnsafeMalformedObjectDeletion APIServingWithRoutine CBORServingAndStorage ClientsAllowCBOR ClientsPreferCBOR
      CloudControllerManagerWatchBasedRoutesReconciliation CloudControllerManagerWebhook ContainerStopSignals
      ControllerManagerReleaseLeaderElectionLockOnExit CPUManagerPolicyAlphaOptions CRIListStreaming CrossNamespaceVolumeDataSource CSIVolumeHealth
      DRAListTypeAttributes DRANodeAllocatableResources DRAResourcePoolStatus DRAWorkloadResourceClaims EventedPLEG GangScheduling GenericWorkload
      HPAScaleToZero ImageVolumeWithDigest InPlacePodVerticalScalingExclusiveCPUs InPlacePodVerticalScalingExclusiveMemory KubeletInUserNamespace
      LoggingAlphaOptions ManifestBasedAdmissionControlConfig MemoryQoS MutablePVNodeAffinity NativeHistograms PersistentVolumeClaimUnusedSinceTime
      PodAndContainerStatsFromCRI PodLevelResourceManagers PodLogsQuerySplitStreams PodsAPI QOSReserved ReduceDefaultCrashLoopBackOffDecay
      RuntimeClassInImageCriApi ShardedListAndWatch StorageCapacityScoring StorageVersionAPI TaintTolerationComparisonOperators
      TopologyAwareWorkloadScheduling TopologyManagerPolicyAlphaOptions UserNamespacesHostNetworkSupport VolumeLimitScaling
      WindowsCPUAndMemoryAffinity WorkloadAwarePreemption WorkloadWithJob`),
  ],
  [
    'BETA',
    false,
    false,
    words(`
      AllBeta ClusterTrustBundle ClusterTrustBundleProjection ConcurrentWatchObjectDecode CoordinatedLeaderElection DRADeviceTaintRules
      LocalStorageCapacityIsolationFSQuotaMonitoring MaxUnavailableStatefulSet PodCertificateRequest SchedulerAsyncAPICalls SELinuxMount
      StorageVersionMigrator`),
  ],
  [
    'BETA',
    true,
    false,
    words(`
      AllowParsingUserUIDFromCertAuth APIResponseCompression APIServerIdentity AtomicFIFO AuthorizePodWebsocketUpgradeCreatePermission
      ClearingNominatedNodeNameAfterBinding ClientsAllowCARotation ClientsAllowTLSCacheGC ComponentFlagz ComponentStatusz ConstrainedImpersonation
      ContainerCheckpoint ContainerRestartRules ContextualLogging CPUManagerPolicyBetaOptions CRDObservedGenerationTracking DeclarativeValidationBeta
      DeploymentReplicaSetTerminatingReplicas DetectCacheInconsistency DRAConsumableCapacity DRADeviceBindingConditions DRADeviceTaints
      DRAExtendedResource DRAPartitionableDevices DRAResourceClaimDeviceStatus DRAResourceClaimGranularStatusAuthorization DRASchedulerFilterTimeout
      EnvFiles ExtendWebSocketsToKubelet GracefulNodeShutdown GracefulNodeShutdownBasedOnPodPriority HostnameOverride HPAConfigurableTolerance
      InOrderInformersBatchProcess InPlacePodLevelResourcesVerticalScaling InPlacePodVerticalScalingInitContainers KubeletCrashLoopBackOffMax
      KubeletEnsureSecretPulledImages KubeletSeparateDiskGC KubeletServiceAccountTokenForCredentialProviders ListFromCacheSnapshot LoggingBetaOptions
      MatchLabelKeysInPodTopologySpread MatchLabelKeysInPodTopologySpreadSelectorMerge MutablePodResourcesForSuspendedJobs
      MutableSchedulingDirectivesForSuspendedJobs NodeDeclaredFeatures NominatedNodeNameForExpectation OpenAPIEnums OpportunisticBatching
      PLEGOnDemandRelist PodDeletionCost PodLevelResources PodReadyToStartContainersCondition PodTopologyLabelsAdmission PortForwardWebsockets
      PreventStaticPodAPIReferences RelaxedServiceNameValidation ReloadKubeletClientCAFile ReloadKubeletServerCertificateFile RemoteRequestHeaderUID
      ResourceHealthStatus ResourceHealthStatusMessage RestartAllContainersOnContainerExits RotateKubeletServerCertificate SchedulerAsyncPreemption
      SchedulerPopFromBackoffQ ServiceAccountNodeAudienceRestriction SizeBasedListCostEstimate StaleControllerConsistencyDaemonSet
      StaleControllerConsistencyJob StaleControllerConsistencyReplicaSet StaleControllerConsistencyStatefulSet StatefulSetSemanticRevisionComparison
      StorageVersionHash StrictIPCIDRValidation StructuredAuthenticationConfigurationEgressSelector StructuredAuthenticationConfigurationJWKSMetrics
      TokenRequestServiceAccountUIDValidation TopologyManagerPolicyBetaOptions TranslateStreamCloseWebsocketRequests
      UnauthenticatedHTTP2DOSMitigation UnknownVersionInteroperabilityProxy UnlockWhileProcessingFIFO WatchCacheInitializationPostStartHook WatchList
      WatchListClient WindowsGracefulNodeShutdown`),
  ],
  [
    '',
    true,
    false,
    words(
      'AllowServiceExternalIPs CustomCPUCFSQuotaPeriod DRAPrioritizedList InformerResourceVersion MutatingAdmissionPolicy',
    ),
  ],
  [
    '',
    true,
    true,
    words(`
      AnonymousAuthConfigurableEndpoints AnyVolumeDataSource APIServerTracing AuthorizeNodeWithSelectors AuthorizeWithSelectors BtreeWatchCache
      ConsistentListFromCache CPUManagerPolicyOptions CRDValidationRatcheting CSIServiceAccountTokenSecrets CustomResourceFieldSelectors
      DeclarativeValidation DisableAllocatorDualWrite DRAAdminAccess DynamicResourceAllocation ExecProbeTimeout ExternalServiceAccountTokenSigner
      ImageMaximumGCAge ImageVolume InOrderInformers InPlacePodVerticalScaling JobBackoffLimitPerIndex JobManagedBy JobPodReplacementPolicy
      JobSuccessPolicy KubeletCgroupDriverFromCRI KubeletFineGrainedAuthz KubeletPodResourcesDynamicResources KubeletPodResourcesGet KubeletPSI
      KubeletTracing LogarithmicScaleDown MatchLabelKeysInPodAffinity MultiCIDRServiceAllocator MutableCSINodeAllocatableCount NFTablesProxyMode
      NodeInclusionPolicyInPodTopologySpread NodeLogQuery NodeSwap OrderedNamespaceDeletion PodLifecycleSleepAction PodLifecycleSleepActionAllowZero
      PodObservedGenerationTracking PodSchedulingReadiness PreferSameTrafficDistribution ProcMountType RecoverVolumeExpansionFailure
      RecursiveReadOnlyMounts RelaxedDNSSearchValidation RelaxedEnvironmentVariableValidation ResilientWatchCacheInitialization RetryGenerateName
      SchedulerQueueingHints SELinuxChangePolicy SELinuxMountReadWriteOncePod SeparateTaintEvictionController ServiceAccountTokenJTI
      ServiceAccountTokenNodeBinding ServiceAccountTokenNodeBindingValidation ServiceAccountTokenPodNodeInfo SidecarContainers
      StreamingCollectionEncodingToJSON StreamingCollectionEncodingToProtobuf StructuredAuthenticationConfiguration
      StructuredAuthorizationConfiguration SupplementalGroupsPolicy SystemdWatchdog TopologyManagerPolicyOptions UserNamespacesSupport
      VolumeAttributesClass WinDSR WinOverlay`),
  ],
  ['DEPRECATED', true, true, words('AggregatedDiscoveryRemoveBetaType DisableNodeKubeProxyVersion')],
  [
    'DEPRECATED',
    true,
    false,
    words(`
      DisableCPUQuotaWithExclusiveCPUs KubeletPodResourcesListUseActivePods ServiceCIDRStatusFieldWiping StorageNamespaceIndex`),
  ],
  [
    'DEPRECATED',
    false,
    true,
    words('AllowOverwriteTerminationGracePeriodSeconds GitRepoVolumeDriver SeparateCacheWatchRPC'),
  ],
  [
    'DEPRECATED',
    false,
    false,
    words(`
      AllowDNSOnlyNodeCSR AllowInsecureKubeletCertificateSigningRequests ChangeContainerStatusOnKubeletRestart DeclarativeValidationTakeover KMSv1
      KubeletRegistrationGetOnExistsOnly WindowsHostNetwork`),
  ],
];

/** Those by which a component does one thing or another. */
const switched: ReadonlySet<string> = new Set(
  words('DRADeviceTaintRules GangScheduling GenericWorkload HPAScaleToZero WatchList'),
);

/** Those about how upstream's programs do something, and not what they do; and the last two, which are served here once `--runtime-config` says so. */
const inner: ReadonlySet<string> = new Set(
  words(`
    APIServingWithRoutine AtomicFIFO ClientsAllowCARotation ClientsAllowTLSCacheGC ConcurrentWatchObjectDecode ContextualLogging CRIListStreaming
    DeclarativeValidationBeta DeclarativeValidationTakeover DetectCacheInconsistency EventedPLEG InformerResourceVersion
    InOrderInformersBatchProcess ListFromCacheSnapshot LoggingAlphaOptions LoggingBetaOptions OpportunisticBatching PLEGOnDemandRelist
    PodAndContainerStatsFromCRI SchedulerAsyncAPICalls SchedulerAsyncPreemption SchedulerPopFromBackoffQ SizeBasedListCostEstimate
    StaleControllerConsistencyDaemonSet StaleControllerConsistencyJob StaleControllerConsistencyReplicaSet StaleControllerConsistencyStatefulSet
    StatefulSetSemanticRevisionComparison StorageNamespaceIndex UnauthenticatedHTTP2DOSMitigation UnlockWhileProcessingFIFO
    WatchCacheInitializationPostStartHook WatchListClient StorageVersionAPI StorageVersionMigrator`),
);

/** Those that are on by default upstream and are not built here. */
const absent: ReadonlySet<string> = new Set(
  words(`
    APIServerTracing ConstrainedImpersonation ContainerCheckpoint CPUManagerPolicyBetaOptions CSIServiceAccountTokenSecrets CustomCPUCFSQuotaPeriod
    DRAConsumableCapacity DRAExtendedResource EnvFiles ExternalServiceAccountTokenSigner GracefulNodeShutdown GracefulNodeShutdownBasedOnPodPriority
    ImageMaximumGCAge KubeletCrashLoopBackOffMax KubeletEnsureSecretPulledImages KubeletPodResourcesDynamicResources KubeletPodResourcesGet
    KubeletPodResourcesListUseActivePods KubeletPSI KubeletSeparateDiskGC KubeletServiceAccountTokenForCredentialProviders KubeletTracing
    MutableCSINodeAllocatableCount NodeDeclaredFeatures NodeLogQuery NodeSwap ResourceHealthStatus ResourceHealthStatusMessage
    RestartAllContainersOnContainerExits SELinuxMountReadWriteOncePod StructuredAuthenticationConfigurationEgressSelector SystemdWatchdog
    TopologyManagerPolicyBetaOptions TopologyManagerPolicyOptions UnknownVersionInteroperabilityProxy UserNamespacesSupport
    WinDSR WindowsGracefulNodeShutdown WinOverlay`),
);

/** Those that are off by default upstream and are always here. */
const present: ReadonlySet<string> = new Set(
  words('ControllerManagerReleaseLeaderElectionLockOnExit MaxUnavailableStatefulSet PodLogsQuerySplitStreams'),
);

function effectOf(name: string): Effect {
  if (switched.has(name)) return 'switched';
  return inner.has(name) ? 'inner' : 'fixed';
}

/** All gates, by name. */
export const featureTable: ReadonlyMap<string, FeatureGate> = new Map(
  groups.flatMap(([stage, isDefault, isLocked, names]) =>
    names.map((name) => {
      const isOn = present.has(name) || (isDefault && !absent.has(name));
      return [name, { stage, default: isDefault, isLocked, effect: effectOf(name), isOn }] as const;
    }),
  ),
);

/** What a feature needs, of those that can be switched. Source: `defaultKubernetesFeatureGateDependencies`. */
export const featureNeeds: Readonly<Record<string, readonly string[]>> = { GangScheduling: ['GenericWorkload'] };

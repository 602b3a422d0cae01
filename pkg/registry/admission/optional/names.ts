/** The names of the plugins of `table.ts`, for whoever only checks them. */

/** Admission plugins that run only where they are named. */
export const optionalPluginNames = [
  'AlwaysPullImages',
  'DenyServiceExternalIPs',
  'EventRateLimit',
  'ExtendedResourceToleration',
  'ImagePolicyWebhook',
  'LimitPodHardAntiAffinityTopology',
  'NamespaceAutoProvision',
  'NamespaceExists',
  'OwnerReferencesPermissionEnforcement',
  'PodNodeSelector',
  'PodTolerationRestriction',
] as const;

/** One of them. */
export type OptionalPluginName = (typeof optionalPluginNames)[number];

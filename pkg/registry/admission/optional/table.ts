/**
 * The admission plugins that run only where `--enable-admission-plugins` names them, with the plugin that each comes after. Adding one is an entry here and its name in `names.ts`; the
 * modules are loaded by servers that have one of them. Source: kube-apiserver `pkg/kubeapiserver/options/plugins.go`.
 */
import type { Authorizer } from '#pkg/apiserver/authz/authorizer.ts';
import type { AdmissionPlugin } from '#pkg/apiserver/strategy.ts';
import type { Client } from '#pkg/client/client.ts';
import type { RemoteDeps, RemoteServer } from '../../remote/remote-server.ts';
import { alwaysPullImagesPlugin } from './always-pull-images.ts';
import { denyServiceExternalIpsPlugin } from './deny-service-external-ips.ts';
import { type EventLimit, eventRateLimitPlugin } from './event-rate-limit.ts';
import { extendedResourceTolerationPlugin } from './extended-resource-toleration.ts';
import { hardAntiAffinityTopologyPlugin } from './hard-anti-affinity-topology.ts';
import { type ImagePolicy, imagePolicyWebhookPlugin } from './image-policy-webhook.ts';
import type { OptionalPluginName } from './names.ts';
import { namespaceAutoProvisionPlugin, namespaceExistsPlugin } from './namespaces.ts';
import { ownerReferencesPlugin } from './owner-references.ts';
import { type NodeSelectors, podNodeSelectorPlugin } from './pod-node-selector.ts';
import { podTolerationRestrictionPlugin, type TolerationRules } from './pod-toleration-restriction.ts';

/** What configurations say. */
export interface OptionalConfigurations {
  readonly eventLimits?: readonly EventLimit[];
  readonly imagePolicy?: { readonly policy: ImagePolicy; readonly server: RemoteServer };
  readonly nodeSelectors?: NodeSelectors;
  readonly tolerationRules?: TolerationRules;
}

/** What the plugins of a server are made from. */
export interface OptionalParts {
  readonly authorizer: Authorizer;
  readonly remote: RemoteDeps;
  /** In the name of the server; asked once it is there. */
  readonly client: () => Client;
}

/** A plugin and where it is in the order. */
export interface AddedPlugin {
  readonly plugin: AdmissionPlugin;
  /** The plugin before it, which every server has; `''`: it is the first. */
  readonly after: string;
}

interface Entry {
  readonly after: string;
  make(parts: OptionalParts, configurations: OptionalConfigurations): AdmissionPlugin;
}

/** In the order in which they run. */
const table: Readonly<Record<OptionalPluginName, Entry>> = {
  NamespaceAutoProvision: { after: '', make: ({ client }) => namespaceAutoProvisionPlugin(client) },
  NamespaceExists: { after: 'NamespaceLifecycle', make: () => namespaceExistsPlugin },
  LimitPodHardAntiAffinityTopology: { after: 'NamespaceLifecycle', make: () => hardAntiAffinityTopologyPlugin },
  AlwaysPullImages: { after: 'TaintNodesByCondition', make: () => alwaysPullImagesPlugin },
  ImagePolicyWebhook: {
    after: 'TaintNodesByCondition',
    make: ({ remote }, { imagePolicy }) => {
      if (imagePolicy === undefined) throw new Error('ImagePolicyWebhook has no configuration');
      return imagePolicyWebhookPlugin(imagePolicy, remote);
    },
  },
  PodNodeSelector: { after: 'PodSecurity', make: (_, { nodeSelectors }) => podNodeSelectorPlugin(nodeSelectors) },
  PodTolerationRestriction: {
    after: 'DefaultTolerationSeconds',
    make: (_, { tolerationRules }) => podTolerationRestrictionPlugin(tolerationRules),
  },
  EventRateLimit: {
    after: 'DefaultTolerationSeconds',
    make: (_, { eventLimits = [] }) => eventRateLimitPlugin(eventLimits),
  },
  ExtendedResourceToleration: { after: 'DefaultTolerationSeconds', make: () => extendedResourceTolerationPlugin },
  OwnerReferencesPermissionEnforcement: {
    after: 'StorageObjectInUseProtection',
    make: ({ authorizer }) => ownerReferencesPlugin(authorizer),
  },
  DenyServiceExternalIPs: { after: 'DefaultIngressClass', make: () => denyServiceExternalIpsPlugin },
};

/** The plugins of these names, in the order of the table. */
export function optionalPlugins(
  names: ReadonlySet<string>,
  configurations: OptionalConfigurations,
  parts: OptionalParts,
): readonly AddedPlugin[] {
  return Object.entries(table)
    .filter(([name]) => names.has(name))
    .map(([, { after, make }]) => ({ after, plugin: make(parts, configurations) }));
}

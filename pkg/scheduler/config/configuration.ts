/**
 * What a scheduler is configured with: profiles, their plugins by extension point and the arguments of these, back-offs and extenders, as
 * `KubeSchedulerConfiguration` files of kubescheduler.config.k8s.io/v1 say it. Upstream counterpart: kube-scheduler `apis/config`.
 */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { ArgsCheck } from '../framework/plugin-context.ts';
import type { ExtensionPoint } from '../framework/profile.ts';

/** A plugin that takes part; how much its score counts, 0 and none for what its table says. */
export interface PluginChoice {
  readonly name: string;
  readonly weight?: number;
}

/** What a file changes of the plugins of one point. */
export interface PluginSet {
  readonly enabled?: readonly PluginChoice[];
  /** `*` for all that take part by default. */
  readonly disabled?: readonly { readonly name: string }[];
}

/** By extension point, and for all points that a plugin has. */
export type PluginSets = { readonly [point in ExtensionPoint | 'multiPoint']?: PluginSet };

/** One profile: pods choose it by `spec.schedulerName`. */
export interface ProfileSpec {
  readonly schedulerName: string;
  readonly plugins?: PluginSets;
  readonly pluginConfig?: readonly { readonly name: string; readonly args: JsonObject }[];
  /** What the arguments were checked with; absent where there are none. */
  readonly check?: ArgsCheck;
}

/** How an extender is known over HTTPS, and by what it knows the scheduler. Data are PEM in base64 and come before files. */
export interface ExtenderTls {
  readonly insecure?: boolean;
  /** The name in its certificate. Default: that of the URL. */
  readonly serverName?: string;
  readonly caFile?: string;
  readonly caData?: string;
  readonly certFile?: string;
  readonly certData?: string;
  readonly keyFile?: string;
  readonly keyData?: string;
}

/** Of an HTTP service that is asked beside the plugins. */
export interface ExtenderSpec {
  readonly urlPrefix: string;
  /** What is appended to the prefix for each question; absent where it is not asked. */
  readonly filterVerb?: string;
  readonly prioritizeVerb?: string;
  readonly preemptVerb?: string;
  readonly bindVerb?: string;
  /** How much its scores count. */
  readonly weight?: number;
  /** Over HTTPS: an extender of which no authority is known is believed to be itself. */
  readonly enableHTTPS?: boolean;
  readonly tlsConfig?: ExtenderTls;
  /** Longest wait for an answer, as Go writes durations. Default: 5s. */
  readonly httpTimeout?: string;
  /** Whether it knows the nodes by itself, so that names do. */
  readonly nodeCacheCapable?: boolean;
  /** Only pods that ask for one of these are shown to it. Default: all. */
  readonly managedResources?: readonly { readonly name: string; readonly ignoredByScheduler?: boolean }[];
  /** Whether pods are scheduled without it where it does not answer. */
  readonly ignorable?: boolean;
}

/** The whole. */
export interface SchedulerConfiguration {
  readonly profiles: readonly ProfileSpec[];
  readonly podInitialBackoffSeconds: number;
  readonly podMaxBackoffSeconds: number;
  readonly extenders: readonly ExtenderSpec[];
}

/** Source: https://kubernetes.io/docs/reference/config-api/kube-scheduler-config.v1/ */
export const defaultConfiguration: SchedulerConfiguration = {
  profiles: [{ schedulerName: 'default-scheduler' }],
  podInitialBackoffSeconds: 1,
  podMaxBackoffSeconds: 10,
  extenders: [],
};

/** The same, where the plugin that looks for room does not count what extenders say that they see to themselves. */
export function withIgnoredResources(configuration: SchedulerConfiguration): SchedulerConfiguration {
  const ignored = configuration.extenders.flatMap(({ managedResources = [] }) =>
    managedResources.filter(({ ignoredByScheduler }) => ignoredByScheduler === true).map(({ name }) => name),
  );
  if (ignored.length === 0) return configuration;
  const profiles = configuration.profiles.map((profile): ProfileSpec => {
    const { pluginConfig = [] } = profile;
    const own = pluginConfig.find(({ name }) => name === 'NodeResourcesFit');
    const before = Array.isArray(own?.args.ignoredResources) ? own.args.ignoredResources : [];
    const args = { ...own?.args, ignoredResources: [...before, ...ignored] };
    return {
      ...profile,
      pluginConfig: [...pluginConfig.filter((one) => one !== own), { name: 'NodeResourcesFit', args }],
    };
  });
  return { ...configuration, profiles };
}

/** Which admission plugins run, and by what they are configured, as the flags of the API server say. */
import { UserError } from '#pkg/component/user-error.ts';
import { optionalPluginNames } from '#pkg/registry/admission/optional/names.ts';
import type { AddedPlugin, OptionalParts } from '#pkg/registry/admission/optional/table.ts';
import type { AdmissionOptions } from '#pkg/registry/admission/table.ts';
import type { ServerFlagValues } from './server-flags.ts';

/** Those that run where nothing is said. Source: kube-apiserver `--help`, those of its names that there are here. */
const defaultPlugins = [
  'CertificateApproval',
  'CertificateSigning',
  'CertificateSubjectRestriction',
  'DefaultIngressClass',
  'DefaultStorageClass',
  'DefaultTolerationSeconds',
  'LimitRanger',
  'MutatingAdmissionPolicy',
  'MutatingAdmissionWebhook',
  'NamespaceLifecycle',
  'NodeRestriction',
  'PersistentVolumeClaimResize',
  'PodSecurity',
  'PodTopologyLabels',
  'Priority',
  'ResourceQuota',
  'RuntimeClass',
  'ServiceAccount',
  'StorageObjectInUseProtection',
  'TaintNodesByCondition',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionWebhook',
];

/** All that can be named. */
const knownPlugins: readonly string[] = [...defaultPlugins, ...optionalPluginNames].sort();

/** Plugins that do nothing without a configuration. */
const configuredAlways: readonly string[] = ['EventRateLimit', 'ImagePolicyWebhook'];

/** The flags that say it. */
export type AdmissionFlags = Pick<
  ServerFlagValues,
  'admission-control-config-file' | 'disable-admission-plugins' | 'enable-admission-plugins'
>;

/** What a server is told of its admission. */
export interface AdmissionSettings extends Pick<AdmissionOptions, 'limitedResources' | 'podSecurity'> {
  /** Names of plugins that do not run. */
  readonly disabled: readonly string[];
  /** Makes those that run beside the default. */
  readonly added?: (parts: OptionalParts) => readonly AddedPlugin[];
}

/** The plugins by name. Throws `UserError` for names that none has, and for one that is switched on and off. */
export function pluginsNamed(flags: AdmissionFlags): {
  readonly enabled: ReadonlySet<string>;
  readonly disabled: readonly string[];
} {
  const [enabled, disabled] = [flags['enable-admission-plugins'], flags['disable-admission-plugins']];
  for (const [flag, names] of Object.entries({
    'enable-admission-plugins': enabled,
    'disable-admission-plugins': disabled,
  })) {
    const wrong = names.find((name) => !knownPlugins.includes(name));
    if (wrong !== undefined)
      throw new UserError(`--${flag}: ${JSON.stringify(wrong)} is none of ${knownPlugins.join(', ')}`);
  }
  const both = enabled.find((name) => disabled.includes(name));
  if (both !== undefined)
    throw new UserError(`--enable-admission-plugins: ${both} is in --disable-admission-plugins too`);
  return { enabled: new Set(enabled), disabled };
}

/** All that they say. Throws `UserError` for that, for files that cannot be used, and for plugins that lack a configuration. */
export async function admissionSettings(flags: AdmissionFlags): Promise<AdmissionSettings> {
  const { enabled, disabled } = pluginsNamed(flags);
  const path = flags['admission-control-config-file'];
  const isPlain = path === '' && !optionalPluginNames.some((name) => enabled.has(name));
  if (isPlain) return { disabled };
  const [{ configurationsIn }, { optionalPlugins }] = await Promise.all([
    import('./admission-file.ts'),
    import('#pkg/registry/admission/optional/table.ts'),
  ]);
  const { podSecurity, limitedResources, names, ...configurations } =
    path === '' ? { names: new Set<string>() } : await configurationsIn(path);
  const bare = configuredAlways.find((name) => enabled.has(name) && !names.has(name));
  if (bare !== undefined)
    throw new UserError(`--enable-admission-plugins: ${bare} needs a configuration in --admission-control-config-file`);
  return {
    disabled,
    podSecurity,
    limitedResources,
    added: (parts) => optionalPlugins(enabled, configurations, parts),
  };
}

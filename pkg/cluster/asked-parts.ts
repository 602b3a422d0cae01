/** Parts of a node that only some settings ask for: each is loaded then. */
import type { KubeletOptions } from '#pkg/kubelet/kubelet-options.ts';
import type { CpuSettings } from './cpu-flags.ts';
import type { CredentialProviderPlace } from './credential-provider-flags.ts';
import type { MemorySettings } from './memory-flags.ts';
import { type NodePlace, nodeCpus } from './node-cpus.ts';
import type { StaticPodPlace } from './static-pod-flags.ts';

/** The settings. */
export interface AskedSettings {
  /** Which processors are kept from pods, and whether containers have others for themselves. Default: none are, and none have. */
  readonly cpus?: CpuSettings;
  /** What of its memory is kept from pods, and whether containers are kept to some of the rest. Default: none is, and none are. */
  readonly memory?: MemorySettings | undefined;
  /** Parameters of the kernel that pods may set besides the safe ones. Default: none. */
  readonly allowedUnsafeSysctls?: readonly string[];
  /** Where it has programs with logins for pulls. Default: it has none. */
  readonly credentialProviders?: CredentialProviderPlace | undefined;
  /** Where it has static pods. Default: it has none. */
  readonly staticPods?: StaticPodPlace | undefined;
}

/** They, and what is left for pods of these amounts. Throws `UserError` for what this machine cannot. */
export async function askedParts(
  settings: AskedSettings & NodePlace,
  amounts: Readonly<Record<string, string>>,
): Promise<
  Pick<
    KubeletOptions,
    'allowedUnsafeSysctls' | 'cpus' | 'credentialProviders' | 'memory' | 'staticPods' | 'topology'
  > & {
    readonly allocatable: Readonly<Record<string, string>>;
  }
> {
  const { allowedUnsafeSysctls = [], credentialProviders: place, memory, nodeName, staticPods } = settings;
  const cpus = await nodeCpus(settings.cpus, amounts, settings);
  const kept = memory && (await import('./node-memory.ts')).nodeMemory(memory, cpus.allocatable, settings);
  const files = staticPods && (await import('./static-pods.ts')).staticPodFiles(staticPods, nodeName);
  const credentialProviders = place && (await import('./credential-providers.ts')).readCredentialProviders(place);
  return {
    ...cpus,
    allowedUnsafeSysctls,
    ...kept,
    ...(files && { staticPods: files }),
    ...(credentialProviders && { credentialProviders }),
  };
}

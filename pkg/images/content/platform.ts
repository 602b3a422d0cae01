/** Which image of an index is for this machine. Pure. Source: containerd `platforms` (normalizing and matching). */
import { ImageStoreError } from '../image-store.ts';
import type { Descriptor, Platform } from './documents.ts';

/** Go's names of Node's architectures, where they differ. */
const architectures: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  mipsel: 'mipsle',
  ppc64: 'ppc64le',
};

/** The platform of a machine that Node says has this architecture; images are for Linux. */
export function platformOfMachine(nodeArchitecture: string): Platform {
  const architecture = architectures[nodeArchitecture] ?? nodeArchitecture;
  return normalized({ os: 'linux', architecture });
}

/**
 * The entry of an index for a platform: of the same variant, else the newest older one that the machine runs too. Throws `unsupported` in the words of
 * containerd, with what there is.
 */
export function chooseManifest(manifests: readonly Descriptor[], wanted: Platform): Descriptor {
  const variants = variantsFor(normalized(wanted));
  let best: { readonly rank: number; readonly descriptor: Descriptor } | undefined;
  for (const descriptor of manifests) {
    // An index may name the images of a platform without saying so when it has but one.
    const own = normalized(descriptor.platform ?? (manifests.length === 1 ? wanted : { os: '', architecture: '' }));
    if (own.os !== wanted.os || own.architecture !== wanted.architecture) continue;
    const rank = variants.indexOf(own.variant ?? '');
    if (rank >= 0 && (best === undefined || rank < best.rank)) best = { rank, descriptor };
  }
  if (best !== undefined) return best.descriptor;
  const there = manifests.flatMap(({ platform }) => (platform === undefined ? [] : [platformText(platform)]));
  const known = [...new Set(there)].filter((one) => !one.startsWith('unknown')).slice(0, 20);
  throw new ImageStoreError(
    'unsupported',
    `no match for platform in manifest: ${platformText(wanted)} is not among [${known.join(', ')}]`,
  );
}

/** Such as `linux/arm/v7`. */
function platformText({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join('/');
}

function normalized(platform: Platform): Platform {
  const { os, architecture, variant } = platform;
  if (architecture === 'aarch64' || architecture === 'arm64')
    return { os, architecture: 'arm64', ...(variant === undefined || variant === 'v8' ? {} : { variant }) };
  if (architecture === 'x86_64') return { ...platform, architecture: 'amd64' };
  if (architecture === 'arm') return { os, architecture, variant: variant ?? 'v7' };
  return platform;
}

/** Variants that a machine runs, best first. */
function variantsFor({ architecture, variant }: Platform): readonly string[] {
  if (architecture === 'arm') {
    const newest = Number(variant?.slice(1) ?? 7);
    return [8, 7, 6, 5].filter((one) => one <= newest).map((one) => `v${one}`);
  }
  return variant === undefined ? [''] : [variant, ''];
}

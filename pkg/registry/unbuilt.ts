/**
 * Kinds that are accepted and stored although what acts on them is not built: whoever makes one is warned of it. A row goes as soon as what it
 * names is there: `pkg/cluster/unbuilt.test.ts` holds the table against the controllers and the admission plugins that there are.
 * Not here: kinds that nothing acts on in upstream either.
 */
import type { Service } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { semanticallySame } from './draft.ts';
import { withWarnings } from './warnings.ts';

/** One kind that is only stored. */
export interface UnbuiltKind {
  readonly group: string;
  readonly resource: string;
  /** Upstream's names of the controllers and admission plugins that are missing; none where it is something else. */
  readonly missing: readonly string[];
  /** What therefore does not happen. */
  readonly effect: string;
  /** Something acts on it where the machine's kernel carries the network of pods. */
  readonly onLoopbackOnly?: true;
  /** Which objects of the kind are concerned. Default: all. */
  concerns?(object: KubeObject): boolean;
}

/** Source: upstream `cmd/kube-controller-manager/names`, `pkg/kubeapiserver/options/plugins.go`. */
export const unbuiltKinds: readonly UnbuiltKind[] = [
  {
    group: '',
    resource: 'services',
    missing: ['service-lb-controller'],
    effect: 'no load balancer is made, and the Service answers at its cluster IP and node ports alone',
    onLoopbackOnly: true,
    concerns: (service: Given<Service>) => service.spec?.type === 'LoadBalancer',
  },
  {
    group: 'resource.k8s.io',
    resource: 'resourceclaims',
    missing: [],
    effect: 'its devices are allocated, and no driver is asked to prepare them on the node',
  },
  {
    group: 'networking.k8s.io',
    resource: 'networkpolicies',
    missing: [],
    effect: 'all traffic is let through',
    onLoopbackOnly: true,
  },
];

/** The same strategies; those of kinds that are only stored warn of it, when an object is made and when what it asks for changes. */
export function withUnbuiltWarnings(
  strategies: readonly Strategy[],
  options: { readonly isLoopback: boolean },
): readonly Strategy[] {
  const unbuilt = unbuiltKinds.filter(({ onLoopbackOnly }) => onLoopbackOnly !== true || options.isLoopback);
  const kinds = new Map(unbuilt.map((kind) => [`${kind.group}/${kind.resource}`, kind]));
  return strategies.map((strategy) => {
    const kind = kinds.get(`${strategy.group}/${strategy.resource}`);
    return kind === undefined ? strategy : warnsOf(strategy, kind);
  });
}

function warnsOf(
  strategy: Strategy,
  { group, resource, missing, effect, concerns = () => true }: UnbuiltKind,
): Strategy {
  const name = group === '' ? resource : `${resource}.${group}`;
  const why = missing.length === 0 ? '' : ` (${missing.join(' and ')} is not built yet)`;
  const text = `${name} is only stored by this version of Coxswain: ${effect}${why}`;
  return withWarnings(strategy, {
    warningsOf: (draft) => (concerns(draft) ? [text] : []),
    onUpdate: (draft, old) => !semanticallySame(wishOf(draft), wishOf(old)),
  });
}

/** What an object asks for. */
function wishOf(object: KubeObject & { readonly status?: unknown }): object {
  const { metadata: _, status: __, ...wish } = object;
  return wish;
}

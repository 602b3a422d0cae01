/** What the conditions of a namespace that is going say of its content. Pure. Upstream counterpart: `status_condition_utils.go`. */
import type { NamespaceCondition } from '#pkg/api/types/core-v1.ts';
import type { ContentReport } from './content.ts';

type Draft = Omit<NamespaceCondition, 'lastTransitionTime'>;

/** The five conditions after a pass over the content; those that did not change keep their time. */
export function contentConditions(
  old: readonly NamespaceCondition[] | undefined,
  report: ContentReport,
  now: string,
): readonly NamespaceCondition[] {
  return drafts(report).map((draft) => {
    const known = old?.find((condition) => condition.type === draft.type);
    const isSame = known?.status === draft.status;
    return { ...draft, lastTransitionTime: isSame ? (known.lastTransitionTime ?? now) : now };
  });
}

function drafts(report: ContentReport): readonly Draft[] {
  const { undiscovered, failures, remaining, finalizers } = report;
  return [
    undiscovered.length === 0
      ? ok('NamespaceDeletionDiscoveryFailure', 'ResourcesDiscovered', 'All resources successfully discovered')
      : bad(
          'NamespaceDeletionDiscoveryFailure',
          'DiscoveryFailed',
          `Discovery failed for some groups, ${undiscovered.length} failing: unable to retrieve the complete list of server APIs: ${sorted(undiscovered)}`,
        ),
    ok(
      'NamespaceDeletionGroupVersionParsingFailure',
      'ParsedGroupVersions',
      'All legacy kube types successfully parsed',
    ),
    failures.length === 0
      ? ok(
          'NamespaceDeletionContentFailure',
          'ContentDeleted',
          'All content successfully deleted, may be waiting on finalization',
        )
      : bad(
          'NamespaceDeletionContentFailure',
          'ContentDeletionFailed',
          `Failed to delete all resource types, ${failures.length} remaining: ${sorted(failures)}`,
        ),
    remaining.size === 0
      ? ok('NamespaceContentRemaining', 'ContentRemoved', 'All content successfully removed')
      : bad(
          'NamespaceContentRemaining',
          'SomeResourcesRemain',
          `Some resources are remaining: ${list(remaining, (name, count) => `${dotted(name)} has ${count} resource instances`)}`,
        ),
    finalizers.size === 0
      ? ok('NamespaceFinalizersRemaining', 'ContentHasNoFinalizers', 'All content-preserving finalizers finished')
      : bad(
          'NamespaceFinalizersRemaining',
          'SomeFinalizersRemain',
          `Some content in the namespace has finalizers remaining: ${list(finalizers, (name, count) => `${name} in ${count} resource instances`)}`,
        ),
  ];
}

/** In an order of their own, so that the same always reads the same. */
function sorted(texts: readonly string[]): string {
  return [...texts].sort().join(', ');
}

/** `pods.`: upstream's form joins resource and group by a dot even where the group is empty. */
function dotted(name: string): string {
  return name.includes('.') ? name : `${name}.`;
}

function list(counts: ReadonlyMap<string, number>, line: (name: string, count: number) => string): string {
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => line(name, count))
    .join(', ');
}

function ok(type: Draft['type'], reason: string, message: string): Draft {
  return { type, status: 'False', reason, message };
}

function bad(type: Draft['type'], reason: string, message: string): Draft {
  return { type, status: 'True', reason, message };
}

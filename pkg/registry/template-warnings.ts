/**
 * Warnings of kinds that make pods: about their pod templates, when these are new or changed, and about names that do not fit pods.
 * Source: `WarningsOnCreate` and `WarningsOnUpdate` of the strategies in upstream's `pkg/registry/{apps,batch,core}`.
 */
import { dns1123LabelProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { Strategy, StrategyContext } from '#pkg/apiserver/strategy.ts';
import { podWarnings } from './core/pod-warnings.ts';
import { objectAt, semanticallySame, stringAt } from './draft.ts';
import { withWarnings } from './warnings.ts';

/** What the warnings of one kind look at. */
export interface TemplateWarningOptions {
  /** Where the pod template lies. */
  readonly path: readonly string[];
  /** Pods and their hosts are named for objects of this kind. */
  readonly namesPods?: boolean;
}

/** The same strategy with warnings. */
export function withTemplateWarnings(strategy: Strategy, { path, namesPods }: TemplateWarningOptions): Strategy {
  const warningsOf = (draft: JsonObject): readonly string[] => podWarnings(objectAt(draft, ...path), path.join('.'));
  const warned = withWarnings(strategy, {
    warningsOf,
    onUpdate: (draft, old) => !semanticallySame(draft.spec, objectAt(old, 'spec')),
  });
  if (namesPods !== true) return warned;
  return {
    ...warned,
    prepareForCreate(draft, context) {
      warnOfName(draft, context);
      warned.prepareForCreate?.(draft, context);
    },
  };
}

function warnOfName(draft: JsonObject, context: StrategyContext): void {
  const problems = dns1123LabelProblems(stringAt(draft, 'metadata', 'name'));
  if (problems.length === 0) return;
  const why = 'this is used in Pod names and hostnames, which can result in surprising behavior';
  context.warn(`metadata.name: ${why}; a DNS label is recommended: [${problems.join(' ')}]`);
}

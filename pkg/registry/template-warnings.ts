/**
 * Warnings of kinds that make pods: about their pod templates, when these are new or changed, and about names that do not fit pods.
 * Source: `WarningsOnCreate` and `WarningsOnUpdate` of the strategies in upstream's `pkg/registry/{apps,batch,core}`.
 */
import { dns1123LabelProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { Strategy, StrategyContext } from '#pkg/apiserver/strategy.ts';
import { podWarnings } from './core/pod-warnings.ts';
import { objectAt, semanticallySame, stringAt } from './draft.ts';

export interface TemplateWarningOptions {
  /** Where the pod template lies. */
  readonly path: readonly string[];
  /** Pods and their hosts are named for objects of this kind. */
  readonly namesPods?: boolean;
}

/** The same strategy with warnings. */
export function withTemplateWarnings(strategy: Strategy, { path, namesPods }: TemplateWarningOptions): Strategy {
  const warn = (draft: JsonObject, context: StrategyContext): void => {
    for (const text of podWarnings(objectAt(draft, ...path), path.join('.'))) context.warn(text);
  };
  return {
    ...strategy,
    prepareForCreate(draft, context) {
      strategy.prepareForCreate?.(draft, context);
      const problems = namesPods === true ? dns1123LabelProblems(stringAt(draft, 'metadata', 'name')) : [];
      if (problems.length > 0) {
        const why = 'this is used in Pod names and hostnames, which can result in surprising behavior';
        context.warn(`metadata.name: ${why}; a DNS label is recommended: [${problems.join(' ')}]`);
      }
      warn(draft, context);
    },
    prepareForUpdate(draft, old, context) {
      strategy.prepareForUpdate?.(draft, old, context);
      if (!semanticallySame(draft.spec, objectAt(old, 'spec'))) warn(draft, context);
    },
  };
}

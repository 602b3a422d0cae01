/**
 * Warnings of kinds that make pods: about their pod templates, when these are new or changed, and about names that do not fit pods.
 * Source: `WarningsOnCreate` and `WarningsOnUpdate` of the strategies in upstream's `pkg/registry/{apps,batch,core}`.
 */
import type { PodTemplateSpec } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import type { FieldPath } from '#pkg/apimachinery/field-error.ts';
import { dns1123LabelProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import type { Strategy, StrategyContext } from '#pkg/apiserver/strategy.ts';
import { podWarnings } from './core/pod-warnings.ts';
import { semanticallySame } from './draft.ts';
import { withWarnings } from './warnings.ts';

/** What the warnings of one kind look at. */
export interface TemplateWarningOptions {
  /** Where the pod template lies, and how to get there. */
  readonly path: FieldPath<PodTemplateSpec>;
  template(object: JsonObject): Given<PodTemplateSpec> | undefined;
  /** Pods and their hosts are named for objects of this kind. */
  readonly namesPods?: boolean;
}

/** The same strategy with warnings. */
export function withTemplateWarnings(strategy: Strategy, options: TemplateWarningOptions): Strategy {
  const warned = withWarnings(strategy, {
    warningsOf: (draft) => podWarnings(options.template(draft), options.path),
    onUpdate: (draft, old: Specified) => !semanticallySame(draft.spec, old.spec),
  });
  if (options.namesPods !== true) return warned;
  return {
    ...warned,
    prepareForCreate(draft, context) {
      warnOfName(draft, context);
      warned.prepareForCreate?.(draft, context);
    },
  };
}

interface Specified extends KubeObject {
  readonly spec?: unknown;
}

function warnOfName({ metadata }: Given<KubeObject>, context: StrategyContext): void {
  const problems = dns1123LabelProblems(metadata?.name ?? '');
  if (problems.length === 0) return;
  const why = 'this is used in Pod names and hostnames, which can result in surprising behavior';
  context.warn(`metadata.name: ${why}; a DNS label is recommended: [${problems.join(' ')}]`);
}

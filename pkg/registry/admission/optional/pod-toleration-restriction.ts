/**
 * Gives the pods of a namespace the tolerations that its annotation, or the configuration, says, and refuses those that neither lets them have.
 * Source: upstream `plugin/pkg/admission/podtolerationrestriction`, `pkg/util/tolerations`.
 */
import type { Namespace, Toleration } from '#pkg/api/types/core-v1.ts';
import { namespaces } from '#pkg/api/types/refs.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { pathsOf } from '#pkg/apimachinery/field-error.ts';
import { deepEqual, isObject } from '#pkg/apimachinery/json.ts';
import { notFound } from '#pkg/apimachinery/status-error.ts';
import { type AdmissionPlugin, readOne } from '#pkg/apiserver/strategy.ts';
import { onceThere } from '#pkg/base/async.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { qosClassOf } from '../../core/pod-qos.ts';
import { checkTolerations } from '../../core/validation/taints.ts';
import { refuseConfig } from '../../remote/config-errors.ts';
import { checkedConfig } from '../../remote/config-shape.ts';
import { Collector } from '../../validation/collector.ts';
import { aboutPod } from '../pods.ts';
import { plainError } from '../refusal.ts';

type Tolerations = readonly Given<Toleration>[];

/** What holds in namespaces that do not say otherwise. */
export interface TolerationRules {
  readonly default?: readonly Toleration[];
  /** Empty: all. */
  readonly whitelist?: readonly Toleration[];
}

const toleration = {
  fields: { key: 'string', operator: 'string', value: 'string', effect: 'string', tolerationSeconds: 'number' },
} as const;
const kind = {
  kind: 'Configuration',
  group: 'podtolerationrestriction.admission.k8s.io',
  versions: ['v1alpha1'],
  fields: { default: { list: toleration }, whitelist: { list: toleration } },
} as const;

const annotations = {
  default: 'scheduler.alpha.kubernetes.io/defaultTolerations',
  whitelist: 'scheduler.alpha.kubernetes.io/tolerationsWhitelist',
} as const;

const field = pathsOf<TolerationRules>();

/** Reads the configuration. Throws an `Error` that says in one line all that is wrong. */
export function readTolerationRules(value: unknown): TolerationRules {
  const rules: TolerationRules = checkedConfig(value, kind);
  const into = new Collector();
  checkTolerations(into, rules.default ?? [], field('default'));
  checkTolerations(into, rules.whitelist ?? [], field('whitelist'));
  refuseConfig(into.errors);
  return rules;
}

/** The plugin. Default: only annotations say something. */
export function podTolerationRestrictionPlugin(rules: TolerationRules = {}): AdmissionPlugin {
  return {
    name: 'PodTolerationRestriction',
    handles: (attributes) =>
      (attributes.operation === 'CREATE' || attributes.operation === 'UPDATE') && aboutPod(attributes) !== undefined,
    admit(attributes, _context, reader) {
      const { draft, operation, namespace = '' } = aboutPod(attributes) ?? {};
      const spec = draft?.spec;
      if (draft === undefined || spec === undefined) return;
      return onceThere(readOne(reader, namespaces, { namespace: '', name: namespace }), (owner) => {
        if (owner === undefined) throw notFound(namespaces, namespace);
        const added = operation === 'CREATE' ? (saidBy(owner, 'default') ?? rules.default ?? []) : [];
        const all = [...added, ...(qosClassOf(draft) === 'BestEffort' ? [] : [ofMemoryPressure])];
        if (all.length > 0) draft.spec = { ...spec, tolerations: merged(spec.tolerations ?? [], all) };
      });
    },
    validate(attributes, _context, reader) {
      const { draft, namespace = '' } = aboutPod(attributes) ?? {};
      const tolerations = draft?.spec?.tolerations ?? [];
      if (tolerations.length === 0) return;
      return onceThere(readOne(reader, namespaces, { namespace: '', name: namespace }), (owner) => {
        const own = owner === undefined ? undefined : saidBy(owner, 'whitelist');
        const allowed = own ?? rules.whitelist ?? [];
        if (allowed.length === 0 || tolerations.every((one) => allowed.some((wide) => covers(wide, one)))) return;
        const scope = own === undefined ? 'cluster' : 'namespace';
        throw plainError(
          `pod tolerations (possibly merged with namespace default tolerations) conflict with its ${scope} whitelist`,
        );
      });
    },
  };
}

const ofMemoryPressure = { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' };

/** What a namespace says itself; undefined where it says nothing. */
function saidBy({ metadata }: Namespace, what: keyof typeof annotations): Tolerations | undefined {
  const text = metadata?.annotations?.[annotations[what]];
  if (text === undefined) return undefined;
  if (text === '') return [];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw plainError(errorText(error));
  }
  if (!Array.isArray(value) || !value.every(isToleration)) throw plainError(`${annotations[what]} has no tolerations`);
  return value;
}

function isToleration(value: unknown): value is Toleration {
  return (
    isObject(value) &&
    ['key', 'operator', 'value', 'effect'].every((name) => /^(string|undefined)$/.test(typeof value[name]))
  );
}

/** Both, without those that another one of them covers. */
function merged(first: Tolerations, second: Tolerations): Given<Toleration>[] {
  const all = [...first, ...second];
  const kept: Given<Toleration>[] = [];
  for (const [index, one] of all.entries()) {
    const isCovered =
      kept.some((other) => covers(other, one)) ||
      all.slice(index + 1).some((other) => !deepEqual(other, one) && covers(other, one));
    if (!isCovered) kept.push(one);
  }
  return kept;
}

/** Whether `wide` tolerates all that `one` does. */
function covers(wide: Given<Toleration>, one: Given<Toleration>): boolean {
  if (deepEqual(wide, one)) return true;
  const { key = '', operator = '', effect = '', value = '', tolerationSeconds } = wide;
  if ((one.key ?? '') !== key && (key !== '' || operator !== 'Exists')) return false;
  if ((one.effect ?? '') !== effect && effect !== '') return false;
  if (effect === 'NoExecute' && tolerationSeconds !== undefined) {
    const seconds = one.tolerationSeconds;
    if (seconds === undefined || seconds > tolerationSeconds) return false;
  }
  if (operator === 'Exists') return true;
  return one.operator === 'Equal' && (one.value ?? '') === value;
}

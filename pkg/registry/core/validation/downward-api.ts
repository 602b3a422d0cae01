/**
 * Rules for references to a pod's own fields and resources, from its environment and its files.
 * Source: upstream `validateObjectFieldSelector`, `validateContainerResourceFieldSelector`, `ConvertDownwardAPIFieldLabel`.
 */
import type { ObjectFieldSelector, ResourceFieldSelector } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { child, type FieldPath, invalid, notSupported, required } from '#pkg/apimachinery/field-error.ts';
import { qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import { canonicalQuantity } from '#pkg/apimachinery/quantity.ts';
import { isZeroQuantity } from '../../quantities.ts';
import type { Collector } from '../../validation/collector.ts';

/** Fields that references may name at all, in one place or another. */
const knownFields: ReadonlySet<string> = new Set([
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.restartPolicy',
  'spec.schedulerName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.phase',
  'status.podIP',
  'status.podIPs',
  'spec.host',
]);

const subscripted = /^(.*)\['(.*)'\]$/;

/** Checks a `fieldRef`; `fields` are those that may be named here. */
export function checkFieldRef(
  into: Collector,
  ref: Given<ObjectFieldSelector>,
  { path, fields }: { readonly path: FieldPath; readonly fields: readonly string[] },
): void {
  const own = child(path, 'fieldPath');
  if (!into.needsText(child(path, 'apiVersion'), ref.apiVersion)) return;
  if (!into.needsText(own, ref.fieldPath)) return;
  const given = ref.fieldPath;
  const [, base, key] = subscripted.exec(given) ?? [];
  const known = base === undefined ? knownFields.has(given) : /^metadata\.(annotations|labels)$/.test(base);
  if (ref.apiVersion !== 'v1') {
    const why = `unsupported pod version: ${String(ref.apiVersion)}`;
    into.add(invalid(own, given, `error converting fieldPath: ${why}`));
  } else if (!known && base === undefined) {
    into.add(invalid(own, given, `error converting fieldPath: field label not supported: ${given}`));
  } else if (!known) {
    into.add(invalid(own, given, `error converting fieldPath: field label does not support subscript: ${given}`));
  } else if (key !== undefined) {
    into.problems(path, key, qualifiedNameProblems(base === 'metadata.annotations' ? key.toLowerCase() : key));
  } else into.oneOf(own, given === 'spec.host' ? 'spec.nodeName' : given, fields);
}

const resources = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
];
const hugePages = /^(limits|requests)\.hugepages-/;

/** Checks a `resourceFieldRef`; a file has to say of which container, a variable may mean its own. */
export function checkResourceFieldRef(
  into: Collector,
  ref: Given<ResourceFieldSelector>,
  { path, needsContainer }: { readonly path: FieldPath; readonly needsContainer: boolean },
): void {
  const resource = ref.resource ?? '';
  if (needsContainer && (ref.containerName ?? '') === '') into.add(required(child(path, 'containerName')));
  else if (resource === '') into.add(required(child(path, 'resource')));
  else if (!resources.includes(resource) && !hugePages.test(resource)) {
    into.add(notSupported(child(path, 'resource'), resource, resources));
  }
  checkDivisor(into, ref, path);
}

const byteDivisors = ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei'];

interface DivisorRule {
  readonly of: RegExp;
  readonly divisors: readonly string[];
  readonly detail: string;
}

function byteRule(of: RegExp, what: string): DivisorRule {
  const detail = `only divisor's values ${byteDivisors.join(', ')} are supported with the ${what} resource`;
  return { of, divisors: byteDivisors, detail };
}

const divisorRules: readonly DivisorRule[] = [
  {
    of: /\.cpu$/,
    divisors: ['1m', '1'],
    detail: "only divisor's values 1m and 1 are supported with the cpu resource",
  },
  byteRule(/\.memory$/, 'memory'),
  byteRule(/\.ephemeral-storage$/, 'local ephemeral storage'),
  byteRule(hugePages, 'hugepages'),
];

function checkDivisor(into: Collector, ref: Given<ResourceFieldSelector>, path: FieldPath): void {
  const { divisor } = ref;
  if ((typeof divisor !== 'string' && typeof divisor !== 'number') || isZeroQuantity(divisor)) return;
  const resource = ref.resource ?? '';
  const rule = divisorRules.find(({ of }) => of.test(resource));
  if (rule === undefined || rule.divisors.includes(canonicalQuantity(divisor) ?? '')) return;
  into.add(invalid(child(path, 'divisor'), resource, rule.detail));
}

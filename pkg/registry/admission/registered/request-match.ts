/**
 * Which requests a webhook or a policy is about: rules by operation and resource, and selectors of objects and namespaces.
 * Source: apiserver `admission/plugin/webhook/predicates`, `admission/plugin/policy/matching`.
 */
import type { LabelSelector } from '#pkg/api/types/meta-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { selectorFromLabelSelector } from '#pkg/apimachinery/label-selector.ts';
import type { AdmissionAttributes, AdmissionSubject, RegistryReader } from '#pkg/apiserver/strategy.ts';
import { onceThere } from '#pkg/base/async.ts';

/** One rule. */
export interface RequestRule {
  readonly operations?: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly apiVersions?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly scope?: string;
}

const registrations = 'admissionregistration.k8s.io';

/**
 * Whether neither webhooks nor policies are asked: about what registers them, so that one that refuses everything can be removed, and about reviews.
 * Source: apiserver `admission/plugin/webhook/rules` `IsExemptAdmissionConfigurationResource`, kube-apiserver `kubeapiserver/admission/exclusion`.
 */
export function isExempt({ group, resource }: AdmissionAttributes): boolean {
  if (group === registrations) return true;
  if (group === 'authentication.k8s.io') return resource === 'selfsubjectreviews' || resource === 'tokenreviews';
  return group === 'authorization.k8s.io';
}

function takes(values: readonly string[] | undefined, value: string): boolean {
  return values !== undefined && (values.includes('*') || values.includes(value));
}

function takesResource(resources: readonly string[], resource: string, subresource: string): boolean {
  return resources.some((text) => {
    const [wanted = '', sub = ''] = text.split('/');
    return (wanted === '*' || wanted === resource) && (sub === subresource || (text.includes('/') && sub === '*'));
  });
}

/** Whether a rule is about requests of this kind for `subject`, whatever they are called; undefined for one in whatever group and version. */
function takesKind(
  rule: Given<RequestRule>,
  { operation, subresource, resource }: AdmissionAttributes,
  subject: AdmissionSubject | undefined,
): boolean {
  if (!takes(rule.operations, operation)) return false;
  if (!takesResource(rule.resources ?? [], (subject ?? { resource }).resource, subresource)) return false;
  return subject === undefined || (takes(rule.apiGroups, subject.group) && takes(rule.apiVersions, subject.version));
}

/** Whether a rule that is about requests of this kind is about this one. */
function takesName(
  rule: Given<RequestRule>,
  { group, namespace, name }: AdmissionAttributes,
  { resource }: { readonly resource: string },
): boolean {
  const names = rule.resourceNames ?? [];
  if (names.length > 0 && !names.includes(name)) return false;
  const isCluster = namespace === '' || (group === '' && resource === 'namespaces');
  return rule.scope === 'Cluster' ? isCluster : rule.scope === 'Namespaced' ? !isCluster : true;
}

function takesRequest(
  rule: Given<RequestRule>,
  request: AdmissionAttributes,
  subject: AdmissionSubject | undefined,
): boolean {
  return takesKind(rule, request, subject) && takesName(rule, request, subject ?? request);
}

/**
 * Whether one of the rules may be about requests of the kind of this one: with `isEquivalent` in whatever version the resource may have. Looks at nothing
 * by which two requests of a kind differ.
 */
export function mayMatchKind(
  rules: readonly Given<RequestRule>[],
  request: AdmissionAttributes,
  isEquivalent: boolean,
): boolean {
  return rules.some((rule) => takesKind(rule, request, isEquivalent ? undefined : request));
}

/** Whether one of the rules is about every request of the kind of this one, as what it is. */
export function matchesEveryOfKind(rules: readonly Given<RequestRule>[], request: AdmissionAttributes): boolean {
  return rules.some((rule) => takesKind(rule, request, request) && isForAll(rule));
}

function isForAll({ resourceNames = [], scope = '*' }: Given<RequestRule>): boolean {
  return resourceNames.length === 0 && scope === '*';
}

/**
 * As what the rules are about a request: as what it is, or, with `isEquivalent`, as the first of the other versions of its resource that they name.
 * Undefined where they are about something else. Source: apiserver `admission/plugin/webhook/generic/webhook.go` `ShouldCallHook`.
 */
export function matchedAs(
  rules: readonly Given<RequestRule>[],
  request: AdmissionAttributes,
  { isEquivalent, reader }: { readonly isEquivalent: boolean; readonly reader: RegistryReader },
): AdmissionSubject | undefined {
  if (rules.some((rule) => takesRequest(rule, request, request))) return request;
  if (!isEquivalent || !rules.some((rule) => takesRequest(rule, request, undefined))) return undefined;
  return reader.equivalents(request).find((other) => rules.some((rule) => takesRequest(rule, request, other)));
}

function selects(selector: Given<LabelSelector> | undefined, labels: Readonly<Record<string, string>>): boolean {
  const result = selectorFromLabelSelector(selector ?? {});
  return result.ok && result.selector.matches(labels);
}

function labelsOf(object: unknown): Readonly<Record<string, string>> | undefined {
  if (!isObject(object) || !isObject(object.metadata)) return undefined;
  const labels: Record<string, string> = {};
  for (const [key, value] of Object.entries(isObject(object.metadata.labels) ? object.metadata.labels : {})) {
    if (typeof value === 'string') labels[key] = value;
  }
  return labels;
}

/** Whether a selector selects everything. */
export function isAll(selector: Given<LabelSelector> | undefined): boolean {
  return Object.keys(selector?.matchLabels ?? {}).length === 0 && (selector?.matchExpressions ?? []).length === 0;
}

/** Whether the new object or the old one is selected. */
export function matchesObject(
  selector: Given<LabelSelector> | undefined,
  { draft, old }: AdmissionAttributes,
): boolean {
  if (isAll(selector)) return true;
  return [draft, old].some((object) => {
    const labels = labelsOf(object);
    return labels !== undefined && selects(selector, labels);
  });
}

/** Whether the namespace of the object is selected; a namespace is its own. What is in no namespace always is. */
export function matchesNamespace(
  selector: Given<LabelSelector> | undefined,
  request: AdmissionAttributes,
  reader: RegistryReader,
): Promise<boolean> | boolean {
  if (isAll(selector)) return true;
  const { group, resource, namespace, name, subresource, operation, draft } = request;
  const isNamespace = group === '' && resource === 'namespaces';
  if (!isNamespace && namespace === '') return true;
  if (isNamespace && subresource === '' && operation !== 'DELETE') return selects(selector, labelsOf(draft) ?? {});
  return onceThere(
    reader.get({ group: '', resource: 'namespaces' }, '', isNamespace ? name : namespace),
    (found) => found !== undefined && selects(selector, found.metadata?.labels ?? {}),
  );
}

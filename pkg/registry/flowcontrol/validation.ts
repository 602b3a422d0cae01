/** Rules for flow schemas and priority levels. Source: upstream `pkg/apis/flowcontrol/validation`. */

import type {
  FlowSchema,
  FlowSchemaSpec,
  LimitedPriorityLevelConfiguration,
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  PriorityLevelConfiguration,
  PriorityLevelConfigurationSpec,
  QueuingConfiguration,
  ResourcePolicyRule,
  ServiceAccountSubject,
  Subject,
} from '#pkg/api/types/flowcontrol-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  duplicate,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  notSupported,
  pathsOf,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { dns1123LabelProblems, dns1123SubdomainProblems } from '#pkg/apimachinery/names.ts';
import { Collector } from '../validation/collector.ts';

const schemaField = pathsOf<FlowSchema>();
const levelField = pathsOf<PriorityLevelConfiguration>();

const catchAll = 'catch-all';
const exempt = 'exempt';
const precedenceMax = 10_000;
const queuesMax = 10_000_000;
const hashBitsMax = 60;
const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'];

/** Kinds of subjects, with the field that says more of each. */
const subjectFields = [
  { kind: 'Group', field: 'group' },
  { kind: 'ServiceAccount', field: 'serviceAccount' },
  { kind: 'User', field: 'user' },
] as const satisfies readonly { readonly kind: string; readonly field: keyof Subject }[];

function checkServiceAccount(
  into: Collector,
  account: Given<ServiceAccountSubject>,
  path: FieldPath<ServiceAccountSubject>,
): void {
  const name = account.name ?? '';
  if (into.needsText(child(path, 'name'), name) && name !== '*') {
    into.problems(child(path, 'name'), name, dns1123SubdomainProblems(name));
  }
  const namespace = account.namespace ?? '';
  if (into.needsText(child(path, 'namespace'), namespace, 'must specify namespace for service account')) {
    into.problems(child(path, 'namespace'), namespace, dns1123LabelProblems(namespace));
  }
}

function checkSubject(into: Collector, subject: Given<Subject>, path: FieldPath<Subject>): void {
  const kind = subject.kind ?? '';
  const kinds: readonly string[] = subjectFields.map((known) => known.kind);
  if (!kinds.includes(kind)) {
    into.add(notSupported(child(path, 'kind'), kind, kinds));
    return;
  }
  for (const { kind: owner, field } of subjectFields) {
    if (owner !== kind) {
      into.unset(child(path, field), subject[field], `${field} is forbidden when subject kind is not '${owner}'`);
    } else if (subject[field] === undefined) {
      into.add(required(child(path, field), `${field} is required when subject kind is '${owner}'`));
    } else if (field === 'serviceAccount') checkServiceAccount(into, subject[field], child(path, field));
    else into.needsText(child(child(path, field), 'name'), subject[field]?.name);
  }
}

interface WordList {
  readonly path: FieldPath;
  /** What the error about a star beside others calls the others. */
  readonly noun: string;
  /** What the error about an empty list says. */
  readonly missing: string;
}

/** Refuses an empty list and a star beside other words. Returns whether the words are to be looked at one by one. */
function checkWords(into: Collector, words: readonly unknown[], { path, noun, missing }: WordList): boolean {
  if (words.length === 0) into.add(required(path, missing));
  if (!words.includes('*')) return words.length > 0;
  if (words.length > 1) into.add(invalid(path, words, `if '*' is present, must not specify other ${noun}`));
  return false;
}

type WithVerbs = Pick<ResourcePolicyRule, 'verbs'>;

function checkVerbs(into: Collector, rule: Given<WithVerbs>, path: FieldPath<WithVerbs>): void {
  const given = rule.verbs ?? [];
  const list = { path: child(path, 'verbs'), noun: 'verbs', missing: 'verbs must contain at least one value' };
  if (!checkWords(into, given, list) || given.every((verb) => verbs.includes(verb))) return;
  into.add(notSupported(list.path, given, verbs));
}

function checkResourceRule(
  into: Collector,
  rule: Given<ResourcePolicyRule>,
  path: FieldPath<ResourcePolicyRule>,
): void {
  checkVerbs(into, rule, path);
  checkWords(into, rule.apiGroups ?? [], {
    path: child(path, 'apiGroups'),
    noun: 'api groups',
    missing: 'resource rules must supply at least one api group',
  });
  checkWords(into, rule.resources ?? [], {
    path: child(path, 'resources'),
    noun: 'resources',
    missing: 'resource rules must supply at least one resource',
  });
  const namespaces = rule.namespaces ?? [];
  if (namespaces.length === 0 && rule.clusterScope === true) return;
  const list = {
    path: child(path, 'namespaces'),
    noun: 'namespaces',
    missing: 'resource rules that are not cluster scoped must supply at least one namespace',
  };
  if (!checkWords(into, namespaces, list)) return;
  for (const [index, namespace] of namespaces.entries()) {
    const problems = dns1123LabelProblems(String(namespace));
    const intro = "each member of this list must be '*' or a DNS-1123 label; ";
    into.problems(
      at(list.path, index),
      namespace,
      problems.map((problem) => intro + problem),
    );
  }
}

/** What is wrong with a path such as `/healthz/*`. */
function urlProblem(url: string): string | undefined {
  if (url === '') return 'must not be empty';
  if (url === '/') return undefined;
  if (!url.startsWith('/')) return 'must start with slash';
  if (url.includes(' ')) return 'must not contain white-space';
  if (url.includes('//')) return 'must not contain double slash';
  const star = url.indexOf('*');
  const endsWild = url.endsWith('/*') && star === url.length - 1;
  return star >= 0 && !endsWild ? 'wildcard can only do suffix matching' : undefined;
}

function checkNonResourceRule(
  into: Collector,
  rule: Given<NonResourcePolicyRule>,
  path: FieldPath<NonResourcePolicyRule>,
): void {
  checkVerbs(into, rule, path);
  const urls = rule.nonResourceURLs ?? [];
  const list = {
    path: child(path, 'nonResourceURLs'),
    noun: 'non-resource URLs',
    missing: 'nonResourceURLs must contain at least one value',
  };
  if (!checkWords(into, urls, list)) return;
  for (const [index, url] of urls.entries()) {
    const problem = urlProblem(String(url));
    if (problem !== undefined) into.add(invalid(at(list.path, index), url, problem));
  }
}

function checkRule(
  into: Collector,
  rule: Given<PolicyRulesWithSubjects>,
  path: FieldPath<PolicyRulesWithSubjects>,
): void {
  const subjects = rule.subjects ?? [];
  if (subjects.length === 0) into.add(required(child(path, 'subjects'), 'subjects must contain at least one value'));
  for (const [index, subject] of subjects.entries()) checkSubject(into, subject, at(child(path, 'subjects'), index));
  const [resources, others] = [rule.resourceRules ?? [], rule.nonResourceRules ?? []];
  if (resources.length + others.length === 0) {
    into.add(required(path, 'at least one of resourceRules and nonResourceRules has to be non-empty'));
  }
  for (const [index, inner] of resources.entries()) {
    checkResourceRule(into, inner, at(child(path, 'resourceRules'), index));
  }
  for (const [index, inner] of others.entries()) {
    checkNonResourceRule(into, inner, at(child(path, 'nonResourceRules'), index));
  }
}

const everyone = (...names: readonly string[]): PolicyRulesWithSubjects => ({
  subjects: names.map((name) => ({ kind: 'Group', group: { name } })),
  resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] }],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
});

/** Schemas that every cluster has, which nobody may change. Source: upstream `pkg/apis/flowcontrol/bootstrap`. */
const mandatorySchemas: ReadonlyMap<string, FlowSchemaSpec> = new Map<string, FlowSchemaSpec>([
  [
    exempt,
    {
      priorityLevelConfiguration: { name: exempt },
      matchingPrecedence: 1,
      rules: [everyone('system:masters')],
    },
  ],
  [
    catchAll,
    {
      priorityLevelConfiguration: { name: catchAll },
      matchingPrecedence: precedenceMax,
      distinguisherMethod: { type: 'ByUser' },
      rules: [everyone('system:unauthenticated', 'system:authenticated')],
    },
  ],
]);

/** Levels that every cluster has; of the exempt one only `exempt` may change. Source: upstream `pkg/apis/flowcontrol/bootstrap`. */
const mandatoryCatchAllLevel: PriorityLevelConfigurationSpec = {
  type: 'Limited',
  limited: { nominalConcurrencyShares: 5, lendablePercent: 0, limitResponse: { type: 'Reject' } },
};

/** What is wrong with a `FlowSchema`. Source: upstream `ValidateFlowSchema`. */
export function validateFlowSchema(draft: Given<FlowSchema>): readonly FieldError[] {
  const into = new Collector();
  const precedence = draft.spec?.matchingPrecedence ?? 0;
  const precedencePath = schemaField('spec.matchingPrecedence');
  if (precedence <= 0) into.add(invalid(precedencePath, precedence, 'must be a positive value'));
  if (precedence > precedenceMax) {
    into.add(invalid(precedencePath, precedence, `must not be greater than ${precedenceMax}`));
  }
  if (precedence === 1 && (draft.metadata?.name ?? '') !== exempt) {
    into.add(invalid(precedencePath, precedence, "only the schema named 'exempt' may have matchingPrecedence 1"));
  }
  const method = draft.spec?.distinguisherMethod;
  if (method !== undefined) {
    into.oneOf(schemaField('spec.distinguisherMethod.type'), method.type ?? '', ['ByNamespace', 'ByUser']);
  }
  const level = draft.spec?.priorityLevelConfiguration?.name ?? '';
  const levelPath = schemaField('spec.priorityLevelConfiguration.name');
  if (into.needsText(levelPath, level, 'must reference a priority level')) {
    into.problems(levelPath, level, dns1123SubdomainProblems(level));
  }
  for (const [index, rule] of (draft.spec?.rules ?? []).entries()) {
    checkRule(into, rule, at(schemaField('spec.rules'), index));
  }
  const name = draft.metadata?.name ?? '';
  checkFixed(into, draft, mandatorySchemas.get(name));
  return into.errors;
}

function checkFixed(
  into: Collector,
  draft: Given<FlowSchema | PriorityLevelConfiguration>,
  fixed: FlowSchemaSpec | PriorityLevelConfigurationSpec | undefined,
): void {
  if (fixed === undefined || deepEqual(draft.spec, fixed)) return;
  into.add(
    invalid(schemaField('spec'), draft.spec, `spec of '${draft.metadata?.name ?? ''}' must equal the fixed value`),
  );
}

/** Rules for the status of both kinds. */
export function validateFlowStatus(draft: Given<FlowSchema | PriorityLevelConfiguration>): readonly FieldError[] {
  const into = new Collector();
  const types = (draft.status?.conditions ?? []).map((condition) => condition.type ?? '');
  for (const [index, type] of types.entries()) {
    const path = child(at(schemaField('status.conditions'), index), 'type');
    if (types.indexOf(type) < index) into.add(duplicate(path, type));
    into.needsText(path, type, 'must not be empty');
  }
  return into.errors;
}

/** Refuses numbers below zero, and a share to lend that is no percentage. */
type Shares = Pick<LimitedPriorityLevelConfiguration, 'lendablePercent' | 'nominalConcurrencyShares'>;

function checkShares(into: Collector, shares: Given<Shares>, path: FieldPath<Shares>): void {
  const nominal = shares.nominalConcurrencyShares ?? 0;
  if (nominal < 0)
    into.add(invalid(child(path, 'nominalConcurrencyShares'), nominal, 'must be a non-negative integer'));
  const lendable = shares.lendablePercent ?? 0;
  if (lendable < 0 || lendable > 100) {
    into.add(invalid(child(path, 'lendablePercent'), lendable, 'must be between 0 and 100, inclusive'));
  }
}

function checkQueuing(
  into: Collector,
  queuing: Given<QueuingConfiguration>,
  path: FieldPath<QueuingConfiguration>,
): void {
  const { queues = 0, handSize: hand = 0, queueLengthLimit = 0 } = queuing;
  into.positive(child(path, 'queueLengthLimit'), queueLengthLimit, 'must be positive');
  into.positive(child(path, 'queues'), queues, 'must be positive');
  if (queues > queuesMax) into.add(invalid(child(path, 'queues'), queues, `must not be greater than ${queuesMax}`));
  const handPath = child(path, 'handSize');
  if (hand <= 0) into.add(invalid(handPath, hand, 'must be positive'));
  else if (hand > queues) into.add(invalid(handPath, hand, `should not be greater than queues (${queues})`));
  else if (Math.ceil(Math.log2(queues) * hand) > hashBitsMax) {
    const detail = `required entropy bits of deckSize ${queues} and handSize ${hand} should not be greater than ${hashBitsMax}`;
    into.add(invalid(handPath, hand, detail));
  }
}

function checkLimited(
  into: Collector,
  limited: Given<LimitedPriorityLevelConfiguration>,
  path: FieldPath<LimitedPriorityLevelConfiguration>,
): void {
  checkShares(into, limited, path);
  const borrowing = limited.borrowingLimitPercent ?? 0;
  if (borrowing < 0) {
    const detail = 'if specified, must be a non-negative integer';
    into.add(invalid(child(path, 'borrowingLimitPercent'), borrowing, detail));
  }
  const responsePath = child(path, 'limitResponse');
  const queuingPath = child(responsePath, 'queuing');
  const type = limited.limitResponse?.type ?? '';
  const queuing = limited.limitResponse?.queuing;
  if (type === 'Reject') {
    into.unset(queuingPath, queuing, 'must be nil if limited.limitResponse.type is not Limited');
  } else if (type !== 'Queue') into.add(notSupported(child(responsePath, 'type'), type, ['Queue', 'Reject']));
  else if (queuing === undefined) {
    into.add(required(queuingPath, 'must not be empty if limited.limitResponse.type is Limited'));
  } else checkQueuing(into, queuing, queuingPath);
}

/** What is wrong with a `PriorityLevelConfiguration`. Source: upstream `ValidatePriorityLevelConfiguration`. */
export function validatePriorityLevel(draft: Given<PriorityLevelConfiguration>): readonly FieldError[] {
  const into = new Collector();
  const type = draft.spec?.type ?? '';
  if (((draft.metadata?.name ?? '') === exempt) !== (type === 'Exempt')) {
    into.add(invalid(levelField('spec.type'), type, "type must be 'Exempt' if and only if name is 'exempt'"));
  }
  const [free, limited] = [draft.spec?.exempt, draft.spec?.limited];
  if (type === 'Exempt') {
    if (free !== undefined) checkShares(into, free, levelField('spec.exempt'));
    into.unset(levelField('spec.limited'), limited, 'must be nil if the type is not Limited');
  } else if (type === 'Limited') {
    if (free !== undefined) into.add(forbiddenField(levelField('spec.exempt'), 'must be nil if the type is Limited'));
    if (limited === undefined) into.add(required(levelField('spec.limited'), 'must not be empty when type is Limited'));
    else checkLimited(into, limited, levelField('spec.limited'));
  } else into.add(notSupported(levelField('spec.type'), type, ['Exempt', 'Limited']));
  checkMandatoryLevel(into, draft);
  return into.errors;
}

function checkMandatoryLevel(into: Collector, draft: Given<PriorityLevelConfiguration>): void {
  const name = draft.metadata?.name ?? '';
  if (name === catchAll) checkFixed(into, draft, mandatoryCatchAllLevel);
  if (name !== exempt) return;
  const { exempt: _free, ...rest } = draft.spec ?? {};
  if (deepEqual(rest, { type: 'Exempt' })) return;
  const detail = "spec of 'exempt' except the 'spec.exempt' field must equal the fixed value";
  into.add(invalid(levelField('spec'), draft.spec, detail));
}

/**
 * Reads an audit policy (`--audit-policy-file`, `audit.k8s.io/v1` `Policy`). What it says is checked whole before anything is audited by it; fields that are
 * unknown are warned of and no more, as upstream does, so that policies written for other versions go on.
 * Upstream counterpart: apiserver `audit/policy/reader.go`, `apis/audit/validation`.
 */
import { decodeYaml } from '#pkg/apimachinery/decode.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { dns1123SubdomainProblems } from '#pkg/apimachinery/names.ts';
import { type AuditPolicy, auditLevels, auditStages } from '#pkg/apiserver/audit/policy.ts';
import { documentProblems } from '#pkg/component/document-check.ts';

const texts = { type: ['array', 'null'], items: { type: 'string' } };
const stages = { type: ['array', 'null'], items: { enum: auditStages } };

const groupResources = {
  type: 'object',
  properties: { group: { type: 'string' }, resources: texts, resourceNames: texts },
  additionalProperties: false,
};

const rule = {
  type: 'object',
  required: ['level'],
  properties: {
    level: { enum: auditLevels },
    users: texts,
    userGroups: texts,
    verbs: texts,
    resources: { type: ['array', 'null'], items: groupResources },
    namespaces: texts,
    nonResourceURLs: texts,
    omitStages: stages,
    omitManagedFields: { type: ['boolean', 'null'] },
  },
  additionalProperties: false,
};

const policySchema = {
  type: 'object',
  required: ['apiVersion', 'kind', 'rules'],
  properties: {
    apiVersion: { const: 'audit.k8s.io/v1' },
    kind: { const: 'Policy' },
    metadata: { type: ['object', 'null'] },
    rules: { type: 'array', minItems: 1, items: rule },
    omitStages: stages,
    omitManagedFields: { type: ['boolean', 'null'] },
  },
  additionalProperties: false,
};

/** A policy that was read, or why it cannot be. */
export type ReadPolicy =
  | { readonly ok: true; readonly policy: AuditPolicy; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Problems that are told at once. */
const problemsMax = 5;

/** Reads YAML or JSON. */
export function readAuditPolicy(bytes: Uint8Array): ReadPolicy {
  const decoded = decodeYaml(bytes, { findDuplicates: true });
  if (!decoded.ok) return { ok: false, problems: [decoded.error] };
  const { errors, unknown } = documentProblems(policySchema, decoded.value);
  const policy = withoutNulls(decoded.value);
  if (!isChecked(policy, errors)) return { ok: false, problems: shortened(errors) };
  const problems = policy.rules.flatMap(ruleProblems);
  if (problems.length > 0) return { ok: false, problems: shortened(problems) };
  const { yamlDuplicates } = decoded;
  return { ok: true, policy, warnings: [...(yamlDuplicates === undefined ? [] : [yamlDuplicates]), ...unknown] };
}

function shortened(problems: readonly string[]): readonly string[] {
  const more = problems.length - problemsMax;
  return more > 0 ? [...problems.slice(0, problemsMax), `and ${more} more`] : problems;
}

/** What the schema has nothing to say of is a policy. */
function isChecked(_: unknown, errors: readonly string[]): _ is AuditPolicy {
  return errors.length === 0;
}

/** Go reads null as nothing. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, one]) => (one === null ? [] : [[key, withoutNulls(one)]])),
  );
}

/** What a schema does not say, in upstream's words. */
function ruleProblems(
  { nonResourceURLs = [], resources = [], namespaces = [] }: AuditPolicy['rules'][number],
  index: number,
): readonly string[] {
  const path = `rules[${index}]`;
  const problems: string[] = [];
  nonResourceURLs.forEach((url, at) => {
    if (url === '*') return;
    const where = `${path}.nonResourceURLs[${at}]: Invalid value: ${JSON.stringify(url)}`;
    if (!url.startsWith('/')) problems.push(`${where}: non-resource URL rules must begin with a '/' character`);
    if (url.slice(0, -1).includes('*'))
      problems.push(`${where}: non-resource URL wildcards '*' must be the final character of the rule`);
  });
  resources.forEach(({ group = '', resources: names = [], resourceNames = [] }, at) => {
    const wrong = group === '' || group === '*' ? [] : dns1123SubdomainProblems(group);
    if (wrong.length > 0)
      problems.push(`${path}.resources[${at}].group: Invalid value: ${JSON.stringify(group)}: ${wrong.join(',')}`);
    if (resourceNames.length > 0 && names.length === 0)
      problems.push(`${path}.resources[${at}].resourceNames: using resourceNames requires at least one resource`);
  });
  if (nonResourceURLs.length > 0 && resources.length + namespaces.length > 0)
    problems.push(`${path}.nonResourceURLs: rules cannot apply to both regular resources and non-resource URLs`);
  return problems;
}

/** Rules for admission policies and their bindings. Source: upstream `validateValidatingAdmissionPolicySpec`. */

import type {
  AuditAnnotation,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  ParamKind,
  ParamRef,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingAdmissionPolicySpec,
  Validation,
  Variable,
} from '#pkg/api/types/admissionregistration-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  duplicate,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  pathsOf,
  required,
} from '#pkg/apimachinery/field-error.ts';
import {
  dns1035LabelProblems,
  dns1123SubdomainProblems,
  pathSegmentProblems,
  qualifiedNameProblems,
} from '#pkg/apimachinery/names.ts';
import { Collector } from '../validation/collector.ts';
import { labelSelectorErrors } from '../validation/selector.ts';
import { mutatingExpressionErrors, validatingExpressionErrors } from './expression-errors.ts';
import { checkMatchConditions, checkMatchResources, failurePolicies, reinvocationPolicies } from './rules.ts';

const policy = pathsOf<ValidatingAdmissionPolicy>();
const mutatingPolicy = pathsOf<MutatingAdmissionPolicy>();
const validatingBinding = pathsOf<ValidatingAdmissionPolicyBinding>();
const binding = pathsOf<MutatingAdmissionPolicyBinding>();

const auditAnnotationsMax = 20;
const identifier = /^[_a-zA-Z][_a-zA-Z0-9]*$/;
const reservedWords = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);

/** Kinds of patches, with the field that holds each. */
const patchFields: ReadonlyMap<string, 'applyConfiguration' | 'jsonPatch'> = new Map([
  ['ApplyConfiguration', 'applyConfiguration'],
  ['JSONPatch', 'jsonPatch'],
]);

function checkParamKind(into: Collector, kind: Given<ParamKind>, path: FieldPath<ParamKind>): void {
  const apiVersion = kind.apiVersion ?? '';
  const versionPath = child(path, 'apiVersion');
  if (into.needsText(versionPath, apiVersion)) {
    const parts = apiVersion.split('/');
    const version = parts.at(-1)!;
    const group = parts.length === 2 ? parts[0]! : '';
    if (parts.length > 2) into.add(invalid(versionPath, apiVersion, `unexpected GroupVersion string: ${apiVersion}`));
    else {
      into.mayName(versionPath, group, dns1123SubdomainProblems);
      if (version === '') into.add(invalid(versionPath, apiVersion, 'version must be specified'));
      into.mayName(versionPath, version, dns1035LabelProblems);
    }
  }
  const name = kind.kind ?? '';
  if (!into.needsText(child(path, 'kind'), name)) return;
  const problems = dns1035LabelProblems(name.toLowerCase());
  if (problems.length === 0) return;
  const detail = `may have mixed case, but should otherwise match: ${problems.join(',')}`;
  into.add(invalid(child(path, 'kind'), name, detail));
}

function checkVariable(into: Collector, variable: Given<Variable>, path: FieldPath<Variable>): void {
  const name = variable.name ?? '';
  const isGiven = into.needsText(child(path, 'name'), name.trim(), 'name is not specified');
  if (isGiven && (!identifier.test(name) || reservedWords.has(name))) {
    into.add(invalid(child(path, 'name'), name, 'name is not a valid CEL identifier'));
  }
  into.needsText(child(path, 'expression'), (variable.expression ?? '').trim(), 'expression is not specified');
}

/** What validating and mutating policies have in common. */
function checkPolicy(into: Collector, spec: Given<ValidatingAdmissionPolicySpec>): void {
  into.needsOneOf(policy('spec.failurePolicy'), spec.failurePolicy, failurePolicies);
  const kind = spec.paramKind;
  if (kind !== undefined) checkParamKind(into, kind, policy('spec.paramKind'));
  const match = spec.matchConstraints;
  if (match === undefined) into.add(required(policy('spec.matchConstraints')));
  else {
    checkMatchResources(into, match, policy('spec.matchConstraints'));
    if ((match.resourceRules ?? []).length === 0) into.add(required(policy('spec.matchConstraints.resourceRules')));
  }
  checkMatchConditions(into, spec.matchConditions ?? [], policy('spec.matchConditions'), kind !== undefined);
  for (const [index, variable] of (spec.variables ?? []).entries()) {
    checkVariable(into, variable, at(policy('spec.variables'), index));
  }
}

function checkValidation(into: Collector, validation: Given<Validation>, path: FieldPath<Validation>): void {
  const { expression = '', messageExpression = '', message = '' } = validation;
  into.needsText(child(path, 'expression'), expression.trim(), 'expression is not specified');
  if (messageExpression !== '' && messageExpression.trim() === '') {
    into.add(invalid(child(path, 'messageExpression'), messageExpression, 'must be non-empty if specified'));
  }
  if (message !== '' && message.trim() === '') {
    into.add(invalid(child(path, 'message'), message, 'message must be non-empty if specified'));
  } else if (/[\n\r]/.test(message.trim())) {
    into.add(invalid(child(path, 'message'), message, 'message must not contain line breaks'));
  }
  into.oneOf(child(path, 'reason'), validation.reason, ['Forbidden', 'Invalid', 'RequestEntityTooLarge']);
}

function checkAuditAnnotations(into: Collector, annotations: readonly Given<AuditAnnotation>[], name: string): void {
  const path = policy('spec.auditAnnotations');
  if (annotations.length > auditAnnotationsMax) {
    into.add(invalid(path, annotations, `must not have more than ${auditAnnotationsMax} auditAnnotations`));
  }
  const keys = annotations.map((annotation) => annotation.key ?? '');
  for (const [index, annotation] of annotations.entries()) {
    const key = `${name}/${keys[index]}`;
    into.problems(child(at(path, index), 'key'), key, qualifiedNameProblems(key));
    const expression = (annotation.valueExpression ?? '').trim();
    into.needsText(child(at(path, index), 'valueExpression'), expression, 'valueExpression is not specified');
    if (keys.indexOf(keys[index]!) < index) into.add(duplicate(child(at(path, index), 'key'), keys[index]));
  }
}

/** What is wrong with a `ValidatingAdmissionPolicy`. */
export function validateValidatingPolicy(draft: Given<ValidatingAdmissionPolicy>): readonly FieldError[] {
  const into = new Collector();
  const spec = draft.spec ?? {};
  checkPolicy(into, spec);
  const [validations, annotations] = [spec.validations ?? [], spec.auditAnnotations ?? []];
  if (validations.length + annotations.length === 0) {
    const detail = 'validations or auditAnnotations must contain at least one item';
    into.add(required(policy('spec.validations'), detail), required(policy('spec.auditAnnotations'), detail));
  }
  for (const [index, validation] of validations.entries()) {
    checkValidation(into, validation, at(policy('spec.validations'), index));
  }
  checkAuditAnnotations(into, annotations, draft.metadata?.name ?? '');
  if (into.errors.length === 0) into.add(...validatingExpressionErrors(spec));
  return into.errors;
}

/** What is wrong with a `MutatingAdmissionPolicy`. */
export function validateMutatingPolicy(draft: Given<MutatingAdmissionPolicy>): readonly FieldError[] {
  const into = new Collector();
  const spec = draft.spec ?? {};
  checkPolicy(into, spec);
  const mutations = spec.mutations ?? [];
  if (mutations.length === 0)
    into.add(required(mutatingPolicy('spec.mutations'), 'mutations must contain at least one item'));
  for (const [index, mutation] of mutations.entries()) {
    const path = at(mutatingPolicy('spec.mutations'), index);
    into.needsOneOf(child(path, 'patchType'), mutation.patchType, [...patchFields.keys()]);
    const field = patchFields.get(mutation.patchType ?? '');
    if (field === undefined) continue;
    const expression = (mutation[field]?.expression ?? '').trim();
    into.needsText(child(child(path, field), 'expression'), expression, 'expression is not specified');
  }
  into.needsOneOf(mutatingPolicy('spec.reinvocationPolicy'), spec.reinvocationPolicy, reinvocationPolicies);
  if (into.errors.length === 0) into.add(...mutatingExpressionErrors(spec));
  return into.errors;
}

function checkParamRef(into: Collector, ref: Given<ParamRef>, path: FieldPath<ParamRef>): void {
  const [name, selector] = [ref.name ?? '', ref.selector];
  into.mayName(child(path, 'name'), name, pathSegmentProblems);
  into.add(...labelSelectorErrors(selector, child(path, 'selector')));
  if (name !== '' && selector !== undefined) {
    const detail = 'name and selector are mutually exclusive';
    into.add(forbiddenField(child(path, 'name'), detail), forbiddenField(child(path, 'selector'), detail));
  }
  if (name === '' && selector === undefined) into.add(required(path, 'one of name or selector must be specified'));
  into.needsOneOf(child(path, 'parameterNotFoundAction'), ref.parameterNotFoundAction, ['Deny', 'Allow']);
}

/** Rules for the bindings of both kinds of policies. */
export function validateBinding(
  draft: Given<MutatingAdmissionPolicyBinding | ValidatingAdmissionPolicyBinding>,
): readonly FieldError[] {
  const into = new Collector();
  const spec = draft.spec ?? {};
  into.needsName(binding('spec.policyName'), spec.policyName, dns1123SubdomainProblems);
  const [ref, match] = [spec.paramRef, spec.matchResources];
  if (ref !== undefined) checkParamRef(into, ref, binding('spec.paramRef'));
  if (match !== undefined) checkMatchResources(into, match, binding('spec.matchResources'));
  return into.errors;
}

/** What is wrong with a `ValidatingAdmissionPolicyBinding`: beside what every binding has, its validation actions. */
export function validateValidatingBinding(draft: Given<ValidatingAdmissionPolicyBinding>): readonly FieldError[] {
  const into = new Collector();
  into.add(...validateBinding(draft));
  const path = validatingBinding('spec.validationActions');
  const actions = draft.spec?.validationActions ?? [];
  for (const [index, action] of actions.entries()) {
    into.oneOf(at(path, index), action, ['Audit', 'Deny', 'Warn']);
    if (actions.indexOf(action) < index) into.add(duplicate(at(path, index), action));
  }
  if (actions.includes('Deny') && actions.includes('Warn')) {
    const reason =
      'repeating the same validation failure information in the API response and headers serves no purpose';
    into.add(invalid(path, actions, `must not contain both Deny and Warn (${reason})`));
  }
  if (actions.length === 0) into.add(required(path, 'at least one validation action is required'));
  return into.errors;
}

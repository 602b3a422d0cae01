/**
 * What is wrong with the expressions of a policy for each kind that it names. Rules with stars are about no kind in particular; at most ten kinds are looked at.
 * Source: apiserver `admission/plugin/policy/validating/typechecking.go`.
 */
import type { ExpressionWarning, ValidatingAdmissionPolicySpec } from '#pkg/api/types/admissionregistration-v1.ts';
import { parseApiVersion } from '#pkg/apimachinery/object.ts';
import { type AdmissionNames, admissionTypes } from '#pkg/cel/admission-types.ts';
import { environmentOf } from '#pkg/cel/environment.ts';
import { compileProgram } from '#pkg/cel/program.ts';
import { dynType, type Type } from '#pkg/cel/types.ts';
import type { KindName, ServedTypes } from './served-types.ts';

const kindsMax = 10;

/** A kind and what expressions can name where an object is of it. */
interface CheckedKind {
  readonly title: string;
  readonly names: AdmissionNames;
}

/** The warnings, by the places of the expressions. */
export async function typeWarnings(
  spec: ValidatingAdmissionPolicySpec,
  types: Pick<ServedTypes, 'kindOf' | 'typeOf'>,
): Promise<readonly ExpressionWarning[]> {
  const validations = spec.validations ?? [];
  if (validations.length === 0) return [];
  const kinds = await checkedKinds(spec, types);
  const warnings: ExpressionWarning[] = [];
  const check = (fieldRef: string, expression: string): void => {
    const problems = kinds.flatMap(({ title, names }) => {
      const problem = problemOf(expression, names);
      return problem === undefined ? [] : [`${title}: ${problem}\n`];
    });
    if (problems.length > 0) warnings.push({ fieldRef, warning: problems.join('\n') });
  };
  for (const [index, { expression, messageExpression = '' }] of validations.entries()) {
    check(`spec.validations[${index}].expression`, expression);
    if (messageExpression !== '') check(`spec.validations[${index}].messageExpression`, messageExpression);
  }
  return warnings;
}

async function checkedKinds(
  spec: ValidatingAdmissionPolicySpec,
  types: Pick<ServedTypes, 'kindOf' | 'typeOf'>,
): Promise<readonly CheckedKind[]> {
  const params = paramsKind(spec);
  const paramsType = params === undefined ? undefined : await types.typeOf(params);
  const checked: CheckedKind[] = [];
  for (const name of await namedKinds(spec, types)) {
    const objectType = await types.typeOf(name);
    if (objectType === undefined) continue;
    const names = {
      hasParams: params !== undefined,
      hasAuthorizer: true,
      objectType,
      ...(paramsType === undefined ? {} : { paramsType }),
    };
    const title = `${name.group}/${name.version}, Kind=${name.kind}`;
    checked.push({ title, names: { ...names, variables: variableTypes(spec, names) } });
  }
  return checked;
}

/** Types of the variables. One whose expression is none is of any type: it is not what is looked for here. */
function variableTypes(
  { variables = [] }: ValidatingAdmissionPolicySpec,
  names: AdmissionNames,
): ReadonlyMap<string, Type> {
  const known = new Map<string, Type>();
  for (const { name, expression } of variables) {
    const program = compileProgram(expression, environmentOf(admissionTypes({ ...names, variables: new Map(known) })));
    known.set(name, 'issues' in program ? dynType : program.checked.type);
  }
  return known;
}

function problemOf(expression: string, names: AdmissionNames): string | undefined {
  const program = compileProgram(expression, environmentOf(admissionTypes(names)));
  return 'issues' in program ? `compilation failed: ${program.text}` : undefined;
}

function paramsKind({ paramKind }: ValidatingAdmissionPolicySpec): KindName | undefined {
  const version = parseApiVersion(paramKind?.apiVersion ?? '');
  return version === undefined || paramKind === undefined ? undefined : { ...version, kind: paramKind.kind ?? '' };
}

/** The kinds that the rules name, in their order. */
async function namedKinds(
  { matchConstraints }: ValidatingAdmissionPolicySpec,
  types: Pick<ServedTypes, 'kindOf'>,
): Promise<readonly KindName[]> {
  const found = new Map<string, KindName>();
  for (const rule of matchConstraints?.resourceRules ?? []) {
    const { apiGroups = [], apiVersions = [], resources = [] } = rule;
    if ([...apiGroups, ...apiVersions].some((one) => one.includes('*'))) continue;
    for (const group of apiGroups.toSorted())
      for (const version of apiVersions.toSorted())
        for (const resource of resources.toSorted()) {
          if (/[*/]/.test(resource) || found.size >= kindsMax) continue;
          const kind = await types.kindOf(group, version, resource);
          if (kind !== undefined) found.set(sortKey(kind), kind);
        }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, kind]) => kind);
}

function sortKey({ group, version, kind }: KindName): string {
  return `${group}\0${version}\0${kind}`;
}

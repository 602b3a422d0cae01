/** Expressions of policies that are none of their place. Source: upstream `pkg/apis/admissionregistration/validation/validation.go`. */
import type {
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicySpec,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicySpec,
  Variable,
} from '#pkg/api/types/admissionregistration-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { at, child, type FieldError, type FieldPath, invalid, pathsOf } from '#pkg/apimachinery/field-error.ts';
import type { Expression } from '../admission/registered/expressions.ts';
import { compileMutatingPolicy } from '../admission/registered/mutating-policies.ts';
import { compileValidatingPolicy } from '../admission/registered/validating-policies.ts';

const policy = pathsOf<ValidatingAdmissionPolicy>();
const mutatingPolicy = pathsOf<MutatingAdmissionPolicy>();

function errorsOf(expression: Expression | undefined, path: FieldPath): readonly FieldError[] {
  return expression?.problem === undefined ? [] : [invalid(path, expression.text, expression.problem)];
}

function variableErrors(
  variables: readonly (readonly [string, Expression])[],
  path: FieldPath<readonly Variable[]>,
): readonly FieldError[] {
  return variables.flatMap(([, expression], index) => errorsOf(expression, child(at(path, index), 'expression')));
}

/** What is wrong with the expressions of a validating policy, but for its match conditions. */
export function validatingExpressionErrors(spec: Given<ValidatingAdmissionPolicySpec>): readonly FieldError[] {
  const { variables, validations, annotations } = compileValidatingPolicy(spec);
  return [
    ...variableErrors(variables, policy('spec.variables')),
    ...validations.flatMap(({ expression, message }, index) => {
      const path = at(policy('spec.validations'), index);
      return [
        ...errorsOf(expression, child(path, 'expression')),
        ...errorsOf(message, child(path, 'messageExpression')),
      ];
    }),
    ...annotations.flatMap(({ expression }, index) =>
      errorsOf(expression, child(at(policy('spec.auditAnnotations'), index), 'valueExpression')),
    ),
  ];
}

/** What is wrong with the expressions of a mutating policy, but for its match conditions. */
export function mutatingExpressionErrors(spec: Given<MutatingAdmissionPolicySpec>): readonly FieldError[] {
  const { variables, mutations } = compileMutatingPolicy(spec);
  return [
    ...variableErrors(variables, mutatingPolicy('spec.variables')),
    ...mutations.flatMap(({ isApply, expression }, index) => {
      const path = child(at(mutatingPolicy('spec.mutations'), index), isApply ? 'applyConfiguration' : 'jsonPatch');
      return errorsOf(expression, child(path, 'expression'));
    }),
  ];
}

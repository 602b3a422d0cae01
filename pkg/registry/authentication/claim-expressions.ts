/** Expressions over the claims of a token, or over the user that they come to. Source: apiserver `pkg/authentication/cel/compile.go`. */
import type { UserInfo } from '#pkg/apiserver/user-info.ts';
import { environmentOf } from '#pkg/cel/environment.ts';
import { fromJson, toJson } from '#pkg/cel/json-values.ts';
import { callCostMax, compileProgram } from '#pkg/cel/program.ts';
import { boolType, dynType, listOf, mapOf, objectType, stringType, type Type, typeText } from '#pkg/cel/types.ts';
import type { Claims } from '#pkg/pki/jwt.ts';

/** A compiled expression, or why it is none. */
export interface TokenExpression {
  readonly text: string;
  readonly problem: string | undefined;
  /** What it comes to as JSON. Throws an `Error` where it cannot be evaluated. */
  run(value: unknown): unknown;
}

const userFields = {
  username: stringType,
  uid: stringType,
  groups: listOf(stringType),
  extra: mapOf(stringType, listOf(stringType)),
};
const userType = objectType(
  'kubernetes.UserInfo',
  new Map(Object.entries(userFields).map(([name, type]) => [name, { name, type }])),
);

/** An expression over `claims`: a condition has to be true or false, another may come to anything. */
export function compileClaims(
  text: string,
  { isCondition = false }: { readonly isCondition?: boolean } = {},
): TokenExpression {
  return compile(text, { name: 'claims', type: mapOf(stringType, dynType) }, isCondition);
}

/** A condition over `user`. */
export function compileUser(text: string): TokenExpression {
  return compile(text, { name: 'user', type: userType }, true);
}

function compile(
  text: string,
  variable: { readonly name: string; readonly type: Type },
  isCondition: boolean,
): TokenExpression {
  const program = compileProgram(text, environmentOf({ [variable.name]: variable.type }));
  const compiled = 'issues' in program ? undefined : program;
  const gives = compiled?.checked.type ?? dynType;
  const isOther = isCondition && gives.kind !== 'dyn' && typeText(gives) !== typeText(boolType);
  const problem =
    'issues' in program ? `compilation failed: ${program.text}` : isOther ? 'must evaluate to bool' : undefined;
  return {
    text,
    problem,
    run(value) {
      if (compiled === undefined) throw new Error(problem ?? 'compilation failed');
      const outcome = compiled.run([fromJson(value)], callCostMax);
      if ('error' in outcome) throw new Error(`expression '${text}' resulted in error: ${outcome.error.message}`);
      return toJson(outcome.value);
    },
  };
}

/** A user as `user` in expressions. */
export function userValue({ name, uid = '', groups, extra = {} }: UserInfo): Claims {
  return { username: name, uid, groups, extra };
}

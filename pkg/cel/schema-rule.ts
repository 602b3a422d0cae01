/**
 * One rule of a schema (`x-kubernetes-validations`), compiled: the expression, that of its message, and what both may cost. Pure.
 * Source: apiextensions-apiserver `apiserver/schema/cel/compilation.go`.
 */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { environmentOf } from './environment.ts';
import { estimateCost, sizesOfType } from './estimate.ts';
import { compileProgram, type Program } from './program.ts';
import { optionalOf, type Type } from './types.ts';

/** A rule as a schema has it. Source: apiextensions/v1 `ValidationRule`. */
export interface SchemaRule {
  readonly rule: string;
  readonly message: string;
  readonly messageExpression: string;
  readonly reason: string | undefined;
  readonly fieldPath: string;
  readonly optionalOldSelf: boolean | undefined;
}

/** A compiled rule. Without a program there is an error, or the rule is empty. */
export interface CompiledRule {
  readonly rule: SchemaRule;
  readonly program: Program | undefined;
  readonly error: string | undefined;
  readonly usesOldSelf: boolean;
  readonly costMax: number;
  readonly message: Program | undefined;
  readonly messageError: string | undefined;
  readonly messageCostMax: number;
}

/** The rules that a schema has at its own level. */
export function rulesOfSchema(schema: JsonObject): readonly SchemaRule[] {
  const rules = schema['x-kubernetes-validations'];
  if (!Array.isArray(rules)) return [];
  return rules.map((rule) => {
    const text = (name: string): string => (typeof rule?.[name] === 'string' ? rule[name] : '');
    return {
      rule: text('rule'),
      message: text('message'),
      messageExpression: text('messageExpression'),
      reason: text('reason') === '' ? undefined : text('reason'),
      fieldPath: text('fieldPath'),
      optionalOldSelf: typeof rule?.optionalOldSelf === 'boolean' ? rule.optionalOldSelf : undefined,
    };
  });
}

/** Compiles a rule for values of the type. */
export function compileRule(rule: SchemaRule, type: Type): CompiledRule {
  const empty = { rule, program: undefined, error: undefined, usesOldSelf: false, costMax: 0 };
  const noMessage = { message: undefined, messageError: undefined, messageCostMax: 0 };
  if (rule.rule.trim() === '') return { ...empty, ...noMessage };
  const oldSelf = rule.optionalOldSelf === true ? optionalOf(type) : type;
  const env = environmentOf({ self: type, oldSelf });
  const program = compileProgram(rule.rule, env);
  if ('issues' in program) return { ...empty, ...noMessage, error: `compilation failed: ${program.text}` };
  if (program.checked.type.kind !== 'bool') {
    return { ...empty, ...noMessage, error: 'cel expression must evaluate to a bool' };
  }
  const sizes = sizesOfType(type);
  const costMax = estimateCost(program.checked, sizes).max;
  const compiled = { rule, program, error: undefined, usesOldSelf: program.uses('oldSelf'), costMax };
  if (rule.messageExpression === '') return { ...compiled, ...noMessage };
  const message = compileProgram(rule.messageExpression, env);
  if ('issues' in message) {
    return { ...compiled, ...noMessage, messageError: `messageExpression compilation failed: ${message.text}` };
  }
  if (message.checked.type.kind !== 'string') {
    return { ...compiled, ...noMessage, messageError: 'messageExpression must evaluate to a string' };
  }
  return { ...compiled, message, messageError: undefined, messageCostMax: estimateCost(message.checked, sizes).max };
}

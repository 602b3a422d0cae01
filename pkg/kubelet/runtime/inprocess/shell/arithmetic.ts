/** `$((…))`: whole numbers of 64 bits, as C has them. Pure but for the variables that it sets. Source: POSIX.1-2024, section 2.6.4. */
import { CommandError } from './io.ts';

/** The variables that an expression reads and sets. */
export interface Variables {
  get(name: string): string | undefined;
  set(name: string, value: string): void;
}

const levels: readonly (readonly string[])[] = [
  ['||'],
  ['&&'],
  ['|'],
  ['^'],
  ['&'],
  ['==', '!='],
  ['<=', '>=', '<', '>'],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '%'],
];
const depthMax = 100;

/** The value of an expression. Throws `CommandError` for what is none. */
export function evaluate(expression: string, variables: Variables): bigint {
  const tokens =
    expression.match(/\d+|[A-Za-z_]\w*|<<=?|>>=?|[-+*/%&|^]=|\|\||&&|[=!<>]=|[-+*/%&|^~!<>=?:(),]|\S/g) ?? [];
  if (tokens.length === 0) return 0n;
  const reader = new Reader(tokens, variables);
  const value = reader.ternary(0);
  if (!reader.isAtEnd) throw reader.problem();
  return value;
}

class Reader {
  readonly #tokens: readonly string[];
  readonly #variables: Variables;
  #at = 0;

  constructor(tokens: readonly string[], variables: Variables) {
    this.#tokens = tokens;
    this.#variables = variables;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#tokens.length;
  }

  problem(): CommandError {
    return new CommandError(`arithmetic syntax error at ${JSON.stringify(this.#tokens[this.#at] ?? '')}`, 2);
  }

  #take(token: string): boolean {
    if (this.#tokens[this.#at] !== token) return false;
    this.#at++;
    return true;
  }

  ternary(depth: number): bigint {
    if (depth > depthMax) throw new CommandError('arithmetic expression is too deep', 2);
    const [name = '', operator = ''] = this.#tokens.slice(this.#at);
    if (/^[A-Za-z_]/.test(name) && /^(?:[-+*/%&|^]|<<|>>)?=$/.test(operator)) {
      this.#at += 2;
      const right = this.ternary(depth + 1);
      const value = operator === '=' ? right : apply(operator.slice(0, -1), this.#number(name), right);
      this.#variables.set(name, String(value));
      return value;
    }
    const condition = this.#binary(0, depth);
    if (!this.#take('?')) return condition;
    const yes = this.ternary(depth + 1);
    if (!this.#take(':')) throw this.problem();
    const no = this.ternary(depth + 1);
    return condition === 0n ? no : yes;
  }

  #binary(level: number, depth: number): bigint {
    const operators = levels[level];
    if (operators === undefined) return this.#unary(depth);
    let left = this.#binary(level + 1, depth);
    for (;;) {
      const operator = operators.find((one) => this.#take(one));
      if (operator === undefined) return left;
      left = apply(operator, left, this.#binary(level + 1, depth));
    }
  }

  #unary(depth: number): bigint {
    if (depth > depthMax) throw new CommandError('arithmetic expression is too deep', 2);
    if (this.#take('-')) return wrap(-this.#unary(depth + 1));
    if (this.#take('+')) return this.#unary(depth + 1);
    if (this.#take('~')) return ~this.#unary(depth + 1);
    if (this.#take('!')) return this.#unary(depth + 1) === 0n ? 1n : 0n;
    if (this.#take('(')) {
      const value = this.ternary(depth + 1);
      if (!this.#take(')')) throw this.problem();
      return value;
    }
    const token = this.#tokens[this.#at] ?? '';
    if (!/^\w/.test(token)) throw this.problem();
    this.#at++;
    return this.#number(token);
  }

  #number(token: string): bigint {
    const text = /^\d/.test(token) ? token : (this.#variables.get(token) ?? '0').trim();
    if (text === '') return 0n;
    if (!/^-?(?:\d+|0x[0-9a-f]+)$/i.test(text)) throw new CommandError(`bad number: ${text}`, 2);
    const isOctal = /^-?0\d/.test(text);
    return wrap(
      isOctal
        ? BigInt(`0o${text.replace(/^-?0+(?=\d)/, '')}`)
        : text.startsWith('-')
          ? -BigInt(text.slice(1))
          : BigInt(text),
    );
  }
}

function wrap(value: bigint): bigint {
  return BigInt.asIntN(64, value);
}

function apply(operator: string, left: bigint, right: bigint): bigint {
  const truth = (value: boolean): bigint => (value ? 1n : 0n);
  switch (operator) {
    case '||':
      return truth(left !== 0n || right !== 0n);
    case '&&':
      return truth(left !== 0n && right !== 0n);
    case '|':
      return left | right;
    case '^':
      return left ^ right;
    case '&':
      return left & right;
    case '==':
      return truth(left === right);
    case '!=':
      return truth(left !== right);
    case '<=':
      return truth(left <= right);
    case '>=':
      return truth(left >= right);
    case '<':
      return truth(left < right);
    case '>':
      return truth(left > right);
    case '<<':
      return wrap(left << (right & 63n));
    case '>>':
      return wrap(left >> (right & 63n));
    case '+':
      return wrap(left + right);
    case '-':
      return wrap(left - right);
    case '*':
      return wrap(left * right);
    default:
      if (right === 0n) throw new CommandError('divide by zero', 2);
      return wrap(operator === '/' ? left / right : left % right);
  }
}

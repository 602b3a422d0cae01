/** Semantic versions. Source: apiserver `pkg/cel/library/semverlib.go` (version 1); https://semver.org. */
import { bool, globalFunction, instanceOf, int, memberFunction, type Overload, string } from '../functions.ts';
import { opaqueType } from '../types.ts';
import { EvaluationError, OpaqueValue } from '../values.ts';

const type = opaqueType('kubernetes.Semver');

class SemverValue extends OpaqueValue {
  readonly type = type;
  readonly core: readonly [bigint, bigint, bigint];
  readonly pre: readonly string[];

  constructor(core: readonly [bigint, bigint, bigint], pre: readonly string[]) {
    super();
    this.core = core;
    this.pre = pre;
  }

  equals(other: OpaqueValue): boolean {
    return other instanceof SemverValue && order(this, other) === 0;
  }
}

const pattern =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?$/;

function parse(text: string): SemverValue | undefined {
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const [, major = '0', minor = '0', patch = '0', pre] = match;
  return new SemverValue([BigInt(major), BigInt(minor), BigInt(patch)], pre === undefined ? [] : pre.split('.'));
}

/** Without a `v` before it and zeros before its numbers, and with as many numbers as there have to be. */
function normalized(text: string): string {
  const match = /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?([-+].*)?$/.exec(text);
  if (match === null) return text;
  const numbers = [match[1], match[2], match[3]].map((number) => BigInt(number ?? '0'));
  return numbers.join('.') + (match[4] ?? '');
}

/** The version that a text says. Throws an `EvaluationError` for a text that is none. */
export function semverValue(text: string): SemverValue {
  const found = parse(text);
  if (found === undefined) throw new EvaluationError(semverProblem(text));
  return found;
}

function semverProblem(text: string): string {
  if (text === '') return 'Version string empty';
  if (text.split('.').length < 3) return 'No Major.Minor.Patch elements found';
  return `Invalid character(s) found in version ${JSON.stringify(text)}`;
}

function order(a: SemverValue, b: SemverValue): number {
  for (const index of [0, 1, 2] as const) {
    if (a.core[index] !== b.core[index]) return a.core[index] < b.core[index] ? -1 : 1;
  }
  if (a.pre.length === 0 || b.pre.length === 0) return Math.sign(b.pre.length - a.pre.length);
  for (const [index, part] of a.pre.entries()) {
    const other = b.pre[index];
    if (other === undefined) return 1;
    const difference = partOrder(part, other);
    if (difference !== 0) return difference;
  }
  return a.pre.length < b.pre.length ? -1 : 0;
}

/** Numbers come before texts. */
function partOrder(a: string, b: string): number {
  const [isNumber, isOtherNumber] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (isNumber && isOtherNumber) return BigInt(a) < BigInt(b) ? -1 : BigInt(a) > BigInt(b) ? 1 : 0;
  if (isNumber !== isOtherNumber) return isNumber ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

const semver = instanceOf(type, SemverValue);
const two = [semver, semver] as const;

/** All of them. */
export const semverLibrary: readonly Overload[] = [
  globalFunction({ fn: 'semver', id: 'string_to_semver', takes: [string], gives: semver }, semverValue),
  globalFunction({ fn: 'semver', id: 'string_bool_to_semver', takes: [string, bool], gives: semver }, (text, isLoose) =>
    semverValue(isLoose ? normalized(text) : text),
  ),
  globalFunction(
    { fn: 'isSemver', id: 'is_semver_string', takes: [string], gives: bool },
    (text) => parse(text) !== undefined,
  ),
  globalFunction(
    { fn: 'isSemver', id: 'is_semver_string_bool', takes: [string, bool], gives: bool },
    (text, isLoose) => parse(isLoose ? normalized(text) : text) !== undefined,
  ),
  memberFunction(
    { fn: 'isGreaterThan', id: 'semver_is_greater_than', takes: two, gives: bool },
    (a, b) => order(a, b) > 0,
  ),
  memberFunction({ fn: 'isLessThan', id: 'semver_is_less_than', takes: two, gives: bool }, (a, b) => order(a, b) < 0),
  memberFunction({ fn: 'compareTo', id: 'semver_compare_to', takes: two, gives: int }, (a, b) => BigInt(order(a, b))),
  memberFunction({ fn: 'major', id: 'semver_major', takes: [semver], gives: int }, ({ core }) => core[0]),
  memberFunction({ fn: 'minor', id: 'semver_minor', takes: [semver], gives: int }, ({ core }) => core[1]),
  memberFunction({ fn: 'patch', id: 'semver_patch', takes: [semver], gives: int }, ({ core }) => core[2]),
];

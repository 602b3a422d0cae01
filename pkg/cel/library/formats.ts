/** Named formats of texts. Source: apiserver `pkg/cel/library/format.go`. */
import {
  dns1035LabelProblems,
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  labelValueProblems,
  qualifiedNameProblems,
} from '#pkg/apimachinery/names.ts';
import { valueFormats } from '#pkg/apimachinery/value-formats.ts';
import { globalFunction, instanceOf, memberFunction, type Overload, optional, string } from '../functions.ts';
import { opaqueType } from '../types.ts';
import { listValue, none, OpaqueValue, OptionalValue } from '../values.ts';
import { urlProblem } from './network.ts';

const type = opaqueType('kubernetes.NamedFormat');

/** A format. `size` is that of the pattern that it stands for, for costs. */
class FormatValue extends OpaqueValue {
  readonly type = type;
  readonly name: string;
  readonly #size: number;
  readonly problems: (text: string) => readonly string[];

  constructor(name: string, size: number, problems: (text: string) => readonly string[]) {
    super();
    this.name = name;
    this.#size = size;
    this.problems = problems;
  }

  override get size(): number {
    return this.#size;
  }

  equals(other: OpaqueValue): boolean {
    return other instanceof FormatValue && other.name === this.name;
  }
}

/** A name that something is put behind may end as no name may. */
function asPrefix(rule: (text: string) => readonly string[]): (text: string) => readonly string[] {
  return (text) => rule(text.length > 1 && text.endsWith('-') ? `${text.slice(0, -1)}a` : text);
}

function known(name: string, why: string): (text: string) => readonly string[] {
  return (text) => (valueFormats[name]?.(text) === false ? [why] : []);
}

const uriProblems = (text: string): readonly string[] => {
  const problem = urlProblem(text);
  return problem === undefined ? [] : [problem];
};

const formats: Readonly<Record<string, FormatValue>> = {
  dns1123Label: new FormatValue('DNS1123Label', 30, dns1123LabelProblems),
  dns1123Subdomain: new FormatValue('DNS1123Subdomain', 60, dns1123SubdomainProblems),
  dns1035Label: new FormatValue('DNS1035Label', 30, dns1035LabelProblems),
  qualifiedName: new FormatValue('QualifiedName', 60, qualifiedNameProblems),
  dns1123LabelPrefix: new FormatValue('DNS1123LabelPrefix', 30, asPrefix(dns1123LabelProblems)),
  dns1123SubdomainPrefix: new FormatValue('DNS1123SubdomainPrefix', 60, asPrefix(dns1123SubdomainProblems)),
  dns1035LabelPrefix: new FormatValue('DNS1035LabelPrefix', 30, asPrefix(dns1035LabelProblems)),
  labelValue: new FormatValue('LabelValue', 40, labelValueProblems),
  uri: new FormatValue('URI', 128, uriProblems),
  uuid: new FormatValue('uuid', 128, known('uuid', 'does not match the UUID format')),
  byte: new FormatValue('byte', 84, known('byte', 'invalid base64')),
  date: new FormatValue('date', 128, known('date', 'invalid date')),
  datetime: new FormatValue('datetime', 128, known('datetime', 'invalid datetime')),
};

const format = instanceOf(type, FormatValue);

/** All of them. */
export const formatLibrary: readonly Overload[] = [
  ...Object.entries(formats).map(([name, value]) =>
    globalFunction({ fn: `format.${name}`, id: `format.${name}`, takes: [], gives: format }, () => value),
  ),
  globalFunction(
    { fn: 'format.named', id: 'format-named', takes: [string], gives: optional('kubernetes.NamedFormat') },
    (name) => {
      const found = Object.hasOwn(formats, name) ? formats[name] : undefined;
      return found === undefined ? none : new OptionalValue(found);
    },
  ),
  memberFunction(
    { fn: 'validate', id: 'format-validate', takes: [format, string], gives: optional('list<string>') },
    ({ problems }, text) => {
      const found = problems(text);
      return found.length === 0 ? none : new OptionalValue(listValue(found));
    },
  ),
];

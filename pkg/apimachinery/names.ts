/**
 * Rules for names, keys and values. Each function gives the list of what is wrong, in Kubernetes' words; an empty list is a
 * pass and costs no allocation. Upstream counterpart: apimachinery `util/validation`, `api/validation/path`.
 */
import { parseCidr, parseIp } from './ip.ts';

/** What is wrong with a value; empty when nothing is. */
export type Problems = readonly string[];

/** Longest DNS label, label value, and name part of a qualified name, in bytes. */
const labelLengthMax = 63;
/** Longest DNS subdomain, in bytes. */
const subdomainLengthMax = 253;
/** Longest port name (IANA service name), in bytes. */
const portNameLengthMax = 15;

const none: Problems = [];

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const subdomain = `${label}(\\.${label})*`;
const label1035 = '[a-z]([-a-z0-9]*[a-z0-9])?';
const qualified = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const labelPattern = new RegExp(`^${label}$`);
const label1035Pattern = new RegExp(`^${label1035}$`);
// Linear: the text of a subdomain is a row of labels, so each of them is tested on its own.
const qualifiedPattern = new RegExp(`^${qualified}$`);
const labelValuePattern = new RegExp(`^(${qualified})?$`);

function lengthProblem(max: number): string {
  return `must be no more than ${max} bytes`;
}

/** Bytes of `text` exceed `max`. Counts only when characters may take several bytes. */
function longerThan(text: string, max: number): boolean {
  if (text.length > max) return true;
  return text.length * 3 > max && Buffer.byteLength(text) > max;
}

/** `message (e.g. 'a',  or 'b', regex used for validation is 'x')`: how upstream words a failed pattern, with its two spaces. */
function patternProblem(message: string, pattern: string, ...examples: readonly string[]): string {
  if (examples.length === 0) return `${message} (regex used for validation is '${pattern}')`;
  const quoted = examples.map((example) => `'${example}', `).join(' or ');
  return `${message} (e.g. ${quoted}regex used for validation is '${pattern}')`;
}

const emptyProblem = 'must be non-empty';

function isSubdomain(text: string): boolean {
  if (text.indexOf('.') < 0) return labelPattern.test(text);
  return text.split('.').every((part) => labelPattern.test(part));
}

/** A lower-case RFC 1123 label: names of namespaces, containers, volumes. */
export function dns1123LabelProblems(text: string): Problems {
  const isLong = longerThan(text, labelLengthMax);
  if (!isLong && labelPattern.test(text)) return none;
  const problems: string[] = isLong ? [lengthProblem(labelLengthMax)] : [];
  if (labelPattern.test(text)) return problems;
  if (isSubdomain(text)) return [...problems, 'must not contain dots'];
  const message =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
  return [...problems, patternProblem(message, label, 'my-name', '123-abc')];
}

/** A lower-case RFC 1123 subdomain: names of most objects. */
export function dns1123SubdomainProblems(text: string): Problems {
  const isLong = longerThan(text, subdomainLengthMax);
  const isGood = isSubdomain(text);
  if (!isLong && isGood) return none;
  const problems: string[] = isLong ? [lengthProblem(subdomainLengthMax)] : [];
  if (isGood) return problems;
  const message =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
  return [...problems, patternProblem(message, subdomain, 'example.com')];
}

/** A DNS-1035 label: begins with a letter. Names of Services before 1.36's relaxation. */
export function dns1035LabelProblems(text: string): Problems {
  const isLong = longerThan(text, labelLengthMax);
  const isGood = label1035Pattern.test(text);
  if (!isLong && isGood) return none;
  const problems: string[] = isLong ? [lengthProblem(labelLengthMax)] : [];
  if (isGood) return problems;
  const message =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
  return [...problems, patternProblem(message, label1035, 'my-name', 'abc-123')];
}

/** `*.` and a subdomain: hosts of an Ingress. */
export function wildcardSubdomainProblems(text: string): Problems {
  const isGood = text.startsWith('*.') && isSubdomain(text.slice(2));
  const isLong = longerThan(text, subdomainLengthMax);
  if (isGood && !isLong) return none;
  const problems: string[] = isLong ? [lengthProblem(subdomainLengthMax)] : [];
  if (isGood) return problems;
  const message =
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character";
  return [...problems, patternProblem(message, `\\*\\.${subdomain}`, '*.example.com')];
}

const qualifiedMessage =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

function qualifiedNamePattern(): string {
  return patternProblem(qualifiedMessage, qualified, 'MyName', 'my.name', '123-abc');
}

/** `[prefix/]name`: keys of labels, annotations, taints, finalizers. */
export function qualifiedNameProblems(text: string): Problems {
  const slash = text.indexOf('/');
  const name = slash < 0 ? text : text.slice(slash + 1);
  if (name.indexOf('/') >= 0) {
    return [
      `a valid label key ${qualifiedNamePattern()} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  }
  if (slash < 0 && name.length <= labelLengthMax && qualifiedPattern.test(name)) return none;
  const problems: string[] = [];
  if (slash >= 0) {
    const prefix = text.slice(0, slash);
    if (prefix === '') problems.push(`prefix part ${emptyProblem}`);
    else for (const problem of dns1123SubdomainProblems(prefix)) problems.push(`prefix part ${problem}`);
  }
  if (name === '') problems.push(`name part ${emptyProblem}`);
  else if (longerThan(name, labelLengthMax)) problems.push(`name part ${lengthProblem(labelLengthMax)}`);
  if (!qualifiedPattern.test(name)) problems.push(`name part ${qualifiedNamePattern()}`);
  return problems.length === 0 ? none : problems;
}

/** The value of a label. */
export function labelValueProblems(text: string): Problems {
  const isLong = longerThan(text, labelLengthMax);
  const isGood = labelValuePattern.test(text);
  if (!isLong && isGood) return none;
  const problems: string[] = isLong ? [lengthProblem(labelLengthMax)] : [];
  if (isGood) return problems;
  const message =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
  return [...problems, patternProblem(message, `(${qualified})?`, 'MyValue', 'my_value', '12345')];
}

/** A name that can stand in a URL path: RBAC objects and others with free names. */
export function pathSegmentProblems(text: string): Problems {
  if (text === '.' || text === '..') return [`may not be '${text}'`];
  const problems = ['/', '%'].filter((part) => text.includes(part)).map((part) => `may not contain '${part}'`);
  return problems.length === 0 ? none : problems;
}

/** An IANA service name: names of ports. */
export function portNameProblems(text: string): Problems {
  const problems: string[] = [];
  if (longerThan(text, portNameLengthMax)) problems.push(lengthProblem(portNameLengthMax));
  if (!/^[-a-z0-9]+$/.test(text)) {
    problems.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  }
  if (!/[a-z]/.test(text)) problems.push('must contain at least one letter (a-z)');
  if (text.includes('--')) problems.push('must not contain consecutive hyphens');
  if (text.startsWith('-') || text.endsWith('-')) problems.push('must not begin or end with a hyphen');
  return problems.length === 0 ? none : problems;
}

/** A port number, 1 to 65535. */
export function portNumberProblems(port: number): Problems {
  return Number.isInteger(port) && port >= 1 && port <= 65535 ? none : ['must be between 1 and 65535, inclusive'];
}

/** The name of an environment variable: any printable ASCII but `=` (relaxed since 1.34). */
export function envVarNameProblems(text: string): Problems {
  if (text === '') return [`environment variable name ${emptyProblem}`];
  if (/^[ -<>-~]+$/.test(text)) return none;
  return ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
}

function directoryProblems(text: string): Problems {
  if (text === '.') return ["must not be '.'"];
  if (text === '..') return ["must not be '..'"];
  return text.startsWith('..') ? ["must not start with '..'"] : none;
}

/** A key of a ConfigMap or Secret. */
export function configMapKeyProblems(text: string): Problems {
  const problems: string[] = [];
  if (longerThan(text, subdomainLengthMax)) problems.push(lengthProblem(subdomainLengthMax));
  if (!/^[-._a-zA-Z0-9]+$/.test(text)) {
    const message = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
    problems.push(patternProblem(message, '[-._a-zA-Z0-9]+', 'key.name', 'KEY_NAME', 'key-name'));
  }
  problems.push(...directoryProblems(text));
  return problems.length === 0 ? none : problems;
}

/** The name of an HTTP header. */
export function httpHeaderNameProblems(text: string): Problems {
  if (/^[-A-Za-z0-9]+$/.test(text)) return none;
  const message = "a valid HTTP header must consist of alphanumeric characters or '-'";
  return [patternProblem(message, '[-A-Za-z0-9]+', 'X-Header-Name')];
}

/** A whole number and a per cent sign. */
export function percentProblems(text: string): Problems {
  if (/^[0-9]+%$/.test(text)) return none;
  const message = "a valid percent string must be a numeric string followed by an ending '%'";
  return [patternProblem(message, '[0-9]+%', '1%', '93%')];
}

/** Largest user or group id, as runtimes take it. Source: apimachinery `util/validation` `maxUserID`, `maxGroupID`. */
const userIdMax = 2 ** 31 - 1;

/** A user or group id. */
export function userIdProblems(id: number): Problems {
  const isGood = Number.isInteger(id) && id >= 0 && id <= userIdMax;
  return isGood ? none : [`must be between 0 and ${userIdMax}, inclusive`];
}

/** An IPv4 or IPv6 address. */
export function ipProblems(text: string): Problems {
  return parseIp(text) === undefined ? ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'] : none;
}

/** An address and a prefix length. */
export function cidrProblems(text: string): Problems {
  return parseCidr(text) === undefined ? ['must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'] : none;
}

/**
 * Formats of strings that schemas name; what is not here is no rule, as upstream has it.
 * Source: kube-openapi `validation/strfmt`, apiextensions-apiserver `apiserver/validation/formats.go`.
 */
import { parseIp } from './ip.ts';
import { dns1123LabelProblems, dns1123SubdomainProblems } from './names.ts';

const uuid = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
const uuidOf = (version: number): RegExp =>
  new RegExp(`^[0-9a-f]{8}-?[0-9a-f]{4}-?${version}[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$`, 'i');
const matches =
  (pattern: RegExp): ((text: string) => boolean) =>
  (text) =>
    pattern.test(text);

/** Days of a month matter: the 30th of February is no date. */
function isDate(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

function isDateTime(text: string): boolean {
  const match = /^(\d{4}-\d\d-\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/.exec(text);
  if (match === null) return false;
  const [, date = '', hour, minute, second] = match;
  return isDate(date) && Number(hour) < 24 && Number(minute) < 60 && Number(second) < 61;
}

function isCidr(text: string): boolean {
  const [address = '', bits = '', more] = text.split('/');
  const ip = parseIp(address);
  return more === undefined && ip !== undefined && /^\d{1,3}$/.test(bits) && Number(bits) <= ip.length * 8;
}

function isUri(text: string): boolean {
  return text.startsWith('/') || URL.canParse(text);
}

/** By name. */
export const valueFormats: Readonly<Record<string, (text: string) => boolean>> = {
  byte: matches(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/),
  cidr: isCidr,
  date: isDate,
  'date-time': isDateTime,
  datetime: isDateTime,
  duration: matches(
    /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)\s*(?:ns|us|µs|ms|s|m|h|d|w|[a-z]+)(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))*$/,
  ),
  email: matches(/^[^\s@<>]+@[^\s@<>]+$/),
  hostname: matches(
    /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*\.?$/i,
  ),
  ipv4: (text) => parseIp(text)?.length === 4,
  ipv6: (text) => parseIp(text)?.length === 16,
  'k8s-long-name': (text) => dns1123SubdomainProblems(text).length === 0,
  'k8s-short-name': (text) => dns1123LabelProblems(text).length === 0,
  mac: matches(/^(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}$|^(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}$/i),
  uri: isUri,
  uuid: matches(uuid),
  uuid3: matches(uuidOf(3)),
  uuid4: matches(uuidOf(4)),
  uuid5: matches(uuidOf(5)),
};

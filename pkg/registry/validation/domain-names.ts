/** Rules for names that begin with a domain, so that their owners do not clash. Source: apimachinery `util/validation`. */
import { type FieldError, type FieldPath, invalid, required } from '#pkg/apimachinery/field-error.ts';
import { dns1123LabelProblems, dns1123SubdomainProblems } from '#pkg/apimachinery/names.ts';

const httpPath = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";
const httpPathPattern = new RegExp(`^${httpPath}$`);

/** What is wrong with a path such as `acme.io/foo`. */
export function domainPrefixedPathErrors(text: string, path: FieldPath): FieldError[] {
  if (text === '') return [required(path)];
  const slash = text.indexOf('/');
  const [host, rest] = [text.slice(0, slash), text.slice(slash + 1)];
  if (slash <= 0 || rest === '') {
    return [invalid(path, text, 'must be a domain-prefixed path (such as "acme.io/foo")')];
  }
  const errors = dns1123SubdomainProblems(host).map((problem) => invalid(path, host, problem));
  if (!httpPathPattern.test(rest)) {
    errors.push(invalid(path, rest, `Invalid path (regex used for validation is '${httpPath}')`));
  }
  return errors;
}

/** What is wrong with a domain name of at least two labels; a final dot is allowed. */
export function fullyQualifiedDomainErrors(text: string, path: FieldPath): FieldError[] {
  if (text === '') return [required(path)];
  const name = text.replace(/\.$/, '');
  const problems = dns1123SubdomainProblems(name);
  if (problems.length > 0) return problems.map((problem) => invalid(path, name, problem));
  const labels = name.split('.');
  if (labels.length < 2) {
    return [invalid(path, name, 'should be a domain with at least two segments separated by dots')];
  }
  return labels.flatMap((label) => dns1123LabelProblems(label).map((problem) => invalid(path, label, problem)));
}

/** What is wrong with a name of at least three segments, such as `hook.team.example.com`. */
export function fullyQualifiedNameErrors(text: string, path: FieldPath): FieldError[] {
  if (text === '') return [required(path)];
  const problems = dns1123SubdomainProblems(text);
  if (problems.length > 0) return problems.map((problem) => invalid(path, text, problem));
  if (text.split('.').length >= 3) return [];
  return [invalid(path, text, 'should be a domain with at least three segments separated by dots')];
}

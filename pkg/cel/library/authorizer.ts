/**
 * Questions to the authorizer in expressions. The answers come from whoever gives the expression its `authorizer`; asking must not wait, as an
 * evaluation does not. Source: apiserver `pkg/cel/library/authz.go`.
 */
import { dns1123LabelProblems, dns1123SubdomainProblems } from '#pkg/apimachinery/names.ts';
import { bool, instanceOf, memberFunction, type Overload, string } from '../functions.ts';
import { opaqueType, type Type } from '../types.ts';
import { EvaluationError, OpaqueValue } from '../values.ts';

/** What is asked: may the user, or the service account that is named, do this? */
interface AccessQuestion {
  readonly serviceAccount?: { readonly namespace: string; readonly name: string };
  readonly verb: string;
  /** Of something that is no resource. */
  readonly path?: string;
  readonly group?: string;
  readonly resource?: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

/** The answer to a question. */
interface AccessAnswer {
  readonly allowed: boolean;
  readonly reason: string;
  readonly error?: string;
}

/** Answers at once. */
export type AskAccess = (question: AccessQuestion) => AccessAnswer;

type Question = Omit<AccessQuestion, 'verb'>;

abstract class Asking extends OpaqueValue {
  abstract override readonly type: Type;
  readonly ask: AskAccess;
  readonly question: Question;

  constructor(ask: AskAccess, question: Question) {
    super();
    this.ask = ask;
    this.question = question;
  }

  equals(other: OpaqueValue): boolean {
    return other === this;
  }
}

const named = (name: string): Type => opaqueType(`kubernetes.authorization.${name}`);

/** The type of the variable `authorizer`. */
export const authorizerType: Type = named('Authorizer');
/** The type of the variable `authorizer.requestResource`. */
export const resourceCheckType: Type = named('ResourceCheck');

/** The value of the variable `authorizer`. */
export class AuthorizerValue extends Asking {
  readonly type = authorizerType;
}

class PathCheck extends Asking {
  readonly type = named('PathCheck');
}

class GroupCheck extends Asking {
  readonly type = named('GroupCheck');
}

/** A question about a resource, all but the verb: the value of `authorizer.requestResource`. */
export class ResourceCheck extends Asking {
  readonly type = resourceCheckType;
}

class Decision extends OpaqueValue {
  readonly type = named('Decision');
  readonly answer: AccessAnswer;

  constructor(answer: AccessAnswer) {
    super();
    this.answer = answer;
  }

  equals(other: OpaqueValue): boolean {
    return other === this;
  }
}

const authorizer = instanceOf(authorizerType, AuthorizerValue);
const pathCheck = instanceOf(named('PathCheck'), PathCheck);
const groupCheck = instanceOf(named('GroupCheck'), GroupCheck);
const resourceCheck = instanceOf(resourceCheckType, ResourceCheck);
const decision = instanceOf(named('Decision'), Decision);

function notEmpty(what: string, text: string): string {
  if (text.trim() === '') throw new EvaluationError(`${what} must not be empty`);
  return text;
}

/** Says more of what is asked about. */
function refine(fn: keyof Question & string, id: string): Overload {
  return memberFunction(
    { fn, id, takes: [resourceCheck, string], gives: resourceCheck },
    ({ ask, question }, text) => new ResourceCheck(ask, { ...question, [fn]: text }),
  );
}

function check({ ask, question }: Asking, verb: string): Decision {
  return new Decision(ask({ ...question, verb }));
}

/** All of them. */
export const authorizerLibrary: readonly Overload[] = [
  memberFunction(
    { fn: 'path', id: 'authorizer_path', takes: [authorizer, string], gives: pathCheck },
    ({ ask, question }, path) => new PathCheck(ask, { ...question, path: notEmpty('path', path) }),
  ),
  memberFunction(
    { fn: 'group', id: 'authorizer_group', takes: [authorizer, string], gives: groupCheck },
    ({ ask, question }, group) => new GroupCheck(ask, { ...question, group }),
  ),
  memberFunction(
    { fn: 'serviceAccount', id: 'authorizer_serviceaccount', takes: [authorizer, string, string], gives: authorizer },
    ({ ask }, namespace, name) => {
      if (dns1123SubdomainProblems(name).length > 0) throw new EvaluationError('Invalid service account name');
      if (dns1123LabelProblems(namespace).length > 0) throw new EvaluationError('Invalid service account namespace');
      return new AuthorizerValue(ask, { serviceAccount: { namespace, name } });
    },
  ),
  memberFunction(
    { fn: 'resource', id: 'groupcheck_resource', takes: [groupCheck, string], gives: resourceCheck },
    ({ ask, question }, resource) => new ResourceCheck(ask, { ...question, resource: notEmpty('resource', resource) }),
  ),
  refine('subresource', 'resourcecheck_subresource'),
  refine('namespace', 'resourcecheck_namespace'),
  refine('name', 'resourcecheck_name'),
  refine('fieldSelector', 'authorizer_fieldselector'),
  refine('labelSelector', 'authorizer_labelselector'),
  memberFunction({ fn: 'check', id: 'pathcheck_check', takes: [pathCheck, string], gives: decision }, check),
  memberFunction({ fn: 'check', id: 'resourcecheck_check', takes: [resourceCheck, string], gives: decision }, check),
  memberFunction(
    { fn: 'errored', id: 'decision_errored', takes: [decision], gives: bool },
    ({ answer }) => answer.error !== undefined,
  ),
  memberFunction(
    { fn: 'error', id: 'decision_error', takes: [decision], gives: string },
    ({ answer }) => answer.error ?? '',
  ),
  memberFunction(
    { fn: 'allowed', id: 'decision_allowed', takes: [decision], gives: bool },
    ({ answer }) => answer.allowed,
  ),
  memberFunction(
    { fn: 'reason', id: 'decision_reason', takes: [decision], gives: string },
    ({ answer }) => answer.reason,
  ),
];

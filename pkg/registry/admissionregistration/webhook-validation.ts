/** Rules for webhook configurations. Source: upstream `validateMutatingWebhook`, apiserver `util/webhook/validation.go`. */
import type {
  MutatingWebhook,
  MutatingWebhookConfiguration,
  ServiceReference,
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
  WebhookClientConfig,
} from '#pkg/api/types/admissionregistration-v1.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  duplicate,
  type FieldError,
  type FieldPath,
  invalid,
  pathsOf,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { dns1035LabelProblems, dns1123SubdomainProblems, portNumberProblems } from '#pkg/apimachinery/names.ts';
import { Collector } from '../validation/collector.ts';
import { fullyQualifiedNameErrors } from '../validation/domain-names.ts';
import { labelSelectorErrors } from '../validation/selector.ts';
import { checkMatchConditions, checkRule, failurePolicies, matchPolicies, reinvocationPolicies } from './rules.ts';

const field = pathsOf<MutatingWebhookConfiguration>();

const reviewVersions = ['v1', 'v1beta1'];
const sideEffects = ['None', 'NoneOnDryRun'];
const timeoutSecondsMax = 30;
const urlForm = '; desired format: https://host[/path]';

function checkUrl(into: Collector, text: string, path: FieldPath): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) {
    into.add(required(path, `url must be a valid URL: ${JSON.stringify(text)} cannot be parsed${urlForm}`));
    return;
  }
  const scheme = url.protocol.slice(0, -1);
  if (scheme !== 'https') into.add(invalid(path, scheme, `'https' is the only allowed URL scheme${urlForm}`));
  if (url.host === '') into.add(invalid(path, '', `host must be specified${urlForm}`));
  if (url.username !== '') into.add(invalid(path, url.username, 'user information is not permitted in the URL'));
  if (url.hash !== '') into.add(invalid(path, url.hash.slice(1), 'fragments are not permitted in the URL'));
  if (url.search !== '') into.add(invalid(path, url.search.slice(1), 'query parameters are not permitted in the URL'));
}

function checkServicePath(into: Collector, value: string, path: FieldPath): void {
  if (value === '' || value === '/') return;
  if (value === '//') {
    into.add(invalid(path, value, 'segment[0] may not be empty'));
    return;
  }
  if (!value.startsWith('/')) into.add(invalid(path, value, "must start with a '/'"));
  for (const [index, segment] of value.slice(1).replace(/\/$/, '').split('/').entries()) {
    if (segment === '') into.add(invalid(path, value, `segment[${index}] may not be empty`));
    else {
      for (const problem of dns1123SubdomainProblems(segment)) {
        into.add(invalid(path, value, `segment[${index}]: ${problem}`));
      }
    }
  }
}

function checkService(into: Collector, service: Given<ServiceReference>, path: FieldPath<ServiceReference>): void {
  into.needsText(child(path, 'name'), service.name, 'service name is required');
  into.needsText(child(path, 'namespace'), service.namespace, 'service namespace is required');
  const port = service.port ?? 0;
  const problems = portNumberProblems(port);
  if (problems.length > 0) into.add(invalid(child(path, 'port'), port, `port is not valid: ${problems.join(',')}`));
  checkServicePath(into, service.path ?? '', child(path, 'path'));
}

/** Checks how a webhook of whatever sort is reached. */
export function checkClientConfig(
  into: Collector,
  config: Given<WebhookClientConfig> | undefined,
  path: FieldPath<WebhookClientConfig>,
): void {
  const [url, service] = [config?.url, config?.service];
  if ((typeof url === 'string') === (service !== undefined)) {
    into.add(required(path, 'exactly one of url or service is required'));
  } else if (service !== undefined) checkService(into, service, child(path, 'service'));
  else checkUrl(into, String(url), child(path, 'url'));
}

function checkReviewVersions(into: Collector, versions: readonly string[], path: FieldPath): void {
  if (versions.length === 0) {
    into.add(required(path, `must specify one of ${reviewVersions.join(', ')}`));
    return;
  }
  for (const [index, version] of versions.entries()) {
    if (versions.indexOf(version) < index) into.add(invalid(at(path, index), version, 'duplicate version'));
    else into.problems(at(path, index), version, dns1035LabelProblems(version));
  }
  if (!versions.some((version) => reviewVersions.includes(version))) {
    into.add(invalid(path, versions, `must include at least one of ${reviewVersions.join(', ')}`));
  }
}

function checkWebhook(
  into: Collector,
  webhook: Given<ValidatingWebhook | MutatingWebhook>,
  path: FieldPath<MutatingWebhook>,
): void {
  into.add(...fullyQualifiedNameErrors(webhook.name ?? '', child(path, 'name')));
  for (const [index, rule] of (webhook.rules ?? []).entries()) {
    checkRule(into, rule, at(child(path, 'rules'), index));
  }
  into.oneOf(child(path, 'failurePolicy'), webhook.failurePolicy, failurePolicies);
  into.oneOf(child(path, 'matchPolicy'), webhook.matchPolicy, matchPolicies);
  const effects = webhook.sideEffects ?? '';
  if (into.needsText(child(path, 'sideEffects'), effects, `must specify one of ${sideEffects.join(', ')}`)) {
    into.oneOf(child(path, 'sideEffects'), effects, sideEffects);
  }
  const timeout = webhook.timeoutSeconds;
  if (timeout !== undefined && (timeout < 1 || timeout > timeoutSecondsMax)) {
    const detail = `the timeout value must be between 1 and ${timeoutSecondsMax} seconds`;
    into.add(invalid(child(path, 'timeoutSeconds'), timeout, detail));
  }
  for (const name of fields('namespaceSelector', 'objectSelector')) {
    into.add(...labelSelectorErrors(webhook[name], child(path, name)));
  }
  if ('reinvocationPolicy' in webhook) {
    into.oneOf(child(path, 'reinvocationPolicy'), webhook.reinvocationPolicy, reinvocationPolicies);
  }
  checkClientConfig(into, webhook.clientConfig, child(path, 'clientConfig'));
  checkMatchConditions(into, webhook.matchConditions ?? [], child(path, 'matchConditions'));
  const versions = webhook.admissionReviewVersions ?? [];
  checkReviewVersions(into, versions, child(path, 'admissionReviewVersions'));
}

/** What is wrong with a webhook configuration of either kind. */
export function validateWebhooks(
  draft: Given<ValidatingWebhookConfiguration | MutatingWebhookConfiguration>,
): readonly FieldError[] {
  const into = new Collector();
  const webhooks = draft.webhooks ?? [];
  const names = webhooks.map((webhook) => webhook.name ?? '');
  for (const [index, webhook] of webhooks.entries()) {
    const path = at(field('webhooks'), index);
    checkWebhook(into, webhook, path);
    const name = names[index]!;
    if (name !== '' && names.indexOf(name) < index) into.add(duplicate(child(path, 'name'), name));
  }
  return into.errors;
}

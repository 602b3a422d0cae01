/**
 * Rules for how a definition says that its versions are converted. Fields have the names of upstream's internal type.
 * Source: upstream apiextensions `validation/validation.go` `validateCustomResourceConversion`, apiserver `util/webhook/validation.go`.
 */
import { X509Certificate } from 'node:crypto';
import type { WebhookClientConfig } from '#pkg/api/types/admissionregistration-v1.ts';
import type { CustomResourceConversion } from '#pkg/api/types/apiextensions-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  type FieldPath,
  forbiddenField,
  invalid,
  required,
  shownAt,
  untyped,
} from '#pkg/apimachinery/field-error.ts';
import { dns1035LabelProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { checkClientConfig } from '../admissionregistration/webhook-validation.ts';
import { objectAt, stringAt } from '../draft.ts';
import type { Collector } from '../validation/collector.ts';

const path = untyped('spec.conversion');
const clientPath = shownAt<WebhookClientConfig>(child(path, 'webhookClientConfig'));
const versionsPath = child(path, 'conversionReviewVersions');

const reviewVersions = ['v1', 'v1beta1'];

/** Checks `spec.conversion`. */
export function checkConversion(into: Collector, spec: JsonObject): void {
  const conversion: Given<CustomResourceConversion> & JsonObject = objectAt(spec, 'conversion') ?? {};
  into.needsOneOf(child(path, 'strategy'), conversion.strategy, ['None', 'Webhook']);
  const { clientConfig, conversionReviewVersions = [] } = conversion.webhook ?? {};
  if (conversion.strategy !== 'Webhook') {
    const why = 'should not be set when strategy is not set to Webhook';
    into.unset(clientPath, clientConfig, why);
    if (conversionReviewVersions.length > 0) into.add(forbiddenField(versionsPath, why));
    return;
  }
  if (clientConfig === undefined) into.add(required(clientPath, 'required when strategy is set to Webhook'));
  else checkClientConfig(into, clientConfig, clientPath);
  checkReviewVersions(into, conversionReviewVersions);
}

function checkReviewVersions(into: Collector, versions: readonly string[]): void {
  if (versions.length === 0) {
    into.add(required(versionsPath));
    return;
  }
  for (const [index, version] of versions.entries()) {
    if (versions.indexOf(version) < index) into.add(invalid(at(versionsPath, index), version, 'duplicate version'));
    else into.problems(at(versionsPath, index), version, dns1035LabelProblems(version));
  }
  if (!versions.some((version) => reviewVersions.includes(version))) {
    into.add(invalid(versionsPath, versions, `must include at least one of ${reviewVersions.join(', ')}`));
  }
}

/** Authorities that a definition in use cannot get: texts that have none. Those that it has already stay. */
export function checkAuthorities(into: Collector, draft: JsonObject, old: KubeObject): void {
  const [now, before] = [draft, old].map((one) => authoritiesOf(one));
  const why = now === undefined ? undefined : problemOf(now);
  if (now === undefined || why === undefined || (before !== undefined && problemOf(before) !== undefined)) return;
  const bytes = [...now].map((byte) => `0x${byte.toString(16)}`).join(', ');
  into.add(invalid(authoritiesPath, `[]byte{${bytes}}`, `unable to load root certificates: ${why}`));
}

const authoritiesPath: FieldPath = child(clientPath, 'caBundle');

function authoritiesOf(definition: KubeObject | JsonObject): Buffer | undefined {
  const conversion = objectAt(definition, 'spec', 'conversion') ?? {};
  const text = stringAt(conversion, 'webhook', 'clientConfig', 'caBundle');
  return conversion.strategy !== 'Webhook' || text === '' ? undefined : Buffer.from(text, 'base64');
}

const pemBlocks = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** Source: client-go `transport.TLSConfigFor` `rootCertPool`. */
function problemOf(bundle: Buffer): string | undefined {
  const blocks = bundle.toString('latin1').match(pemBlocks) ?? [];
  if (blocks.length === 0) return 'unable to parse bytes as PEM block';
  for (const block of blocks) {
    try {
      new X509Certificate(block);
    } catch (error) {
      return `failed to parse certificate: ${errorText(error)}`;
    }
  }
  return undefined;
}

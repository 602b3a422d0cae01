/** Migrations of stored objects. Source: upstream `pkg/apis/storagemigration/validation`, `pkg/registry/storagemigration`. */

import { storageVersionMigrations } from '#pkg/api/types/refs.ts';
import type { StorageVersionMigration } from '#pkg/api/types/storagemigration-v1beta1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { type FieldError, invalid, pathsOf } from '#pkg/apimachinery/field-error.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { dns1035LabelProblems, dns1123SubdomainProblems } from '#pkg/apimachinery/names.ts';
import { rulesOf, type Strategy } from '#pkg/apiserver/strategy.ts';
import { ownStatus, statusAlone } from '../status.ts';
import { Collector } from '../validation/collector.ts';

const path = pathsOf<StorageVersionMigration>();

function validate({ spec }: Given<StorageVersionMigration>): readonly FieldError[] {
  const into = new Collector();
  const { group, resource } = spec?.resource ?? {};
  into.mayName(path('spec.resource.group'), group, dns1123SubdomainProblems);
  into.needsName(path('spec.resource.resource'), resource, dns1035LabelProblems);
  return into.errors;
}

function isTrue(object: Given<StorageVersionMigration>, type: string): boolean {
  return object.status?.conditions?.some((one) => one.type === type && one.status === 'True') === true;
}

/** What is migrated is said once. */
function validateUpdate(
  draft: Given<StorageVersionMigration>,
  old: Given<StorageVersionMigration>,
): readonly FieldError[] {
  return deepEqual(draft.spec, old.spec) ? [] : [invalid(path('spec'), draft.spec, 'field is immutable')];
}

/** A migration that has ended stays ended, and ends in one way. */
function validateStatus(
  draft: Given<StorageVersionMigration>,
  old: Given<StorageVersionMigration>,
): readonly FieldError[] {
  const errors: FieldError[] = [];
  const { resourceVersion = '' } = old.status ?? {};
  if (resourceVersion !== '' && draft.status?.resourceVersion !== resourceVersion)
    errors.push(invalid(path('status.resourceVersion'), draft.status?.resourceVersion, 'field is immutable'));
  const conditions = path('status.conditions');
  const given = draft.status?.conditions ?? [];
  if (isTrue(draft, 'Succeeded') && isTrue(draft, 'Failed'))
    errors.push(invalid(conditions, given, 'Both success and failed conditions cannot be true at the same time'));
  if (isTrue(draft, 'Running') && (isTrue(draft, 'Succeeded') || isTrue(draft, 'Failed')))
    errors.push(
      invalid(conditions, given, 'Running condition cannot be true when success or failed condition is true'),
    );
  for (const type of ['Succeeded', 'Failed'])
    if (isTrue(old, type) && !isTrue(draft, type))
      errors.push(invalid(conditions, given, `${type} condition cannot be set to false once it is true`));
  return errors;
}

/** Migrations, which are served where the version is switched on. */
export const storageMigrationStrategies: readonly Strategy[] = [
  rulesOf(storageVersionMigrations, {
    ...ownStatus(),
    subresources: { status: { ...statusAlone, validateUpdate: validateStatus } },
    validate,
    validateUpdate,
  }),
];

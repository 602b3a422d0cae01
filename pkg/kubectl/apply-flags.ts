/** The flags of `apply`, and what the steps of one run share. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type FlagTable, type FlagValues, repeated, text, toggle } from '#pkg/component/flags.ts';
import {
  dryRunFlag,
  fileFlags,
  type KubectlContext,
  managerFlag,
  printFlags,
  selectorFlag,
  validateFlag,
} from './context.ts';
import type { ResultPrinter } from './printing.ts';
import type { Target } from './targets.ts';

/** Who owns the fields that are applied here. Source: kubectl `cmd/apply/apply.go`. */
export const clientSideManager = 'kubectl-client-side-apply';

/** The flags of `apply`. */
export const applyFlags = {
  ...fileFlags,
  ...printFlags,
  selector: selectorFlag,
  'dry-run': dryRunFlag,
  all: toggle({ help: 'With --prune, all objects that the file could name.' }),
  prune: toggle({ help: 'Delete what was applied before and is in the files no more.' }),
  'prune-allowlist': repeated({ help: 'A kind that --prune may delete, as group/version/kind.', placeholder: 'kind' }),
  force: toggle({ help: 'Delete and create again what cannot be changed.' }),
  overwrite: toggle({ help: 'Taken and not used: changes of others to what the file names give way.', fallback: true }),
  'openapi-patch': toggle({ help: 'Taken and not used.', fallback: true }),
  'server-side': toggle({ help: 'Leave fields of other managers to them: a conflict is an error.' }),
  'force-conflicts': toggle({ help: 'With --server-side, take over fields of other managers.' }),
  'field-manager': managerFlag(clientSideManager),
  subresource: text({ help: 'Subresource to apply to; with --server-side.', placeholder: 'name' }),
  validate: validateFlag,
} satisfies FlagTable;

/** The values of those flags. */
export type ApplyValues = FlagValues<typeof applyFlags> & { readonly namespace: string };

/** An object that was applied. */
export interface Applied {
  readonly target: Target;
  /** As the server has it now. */
  readonly object: JsonObject;
}

/** What the steps of one run share. */
export interface ApplyRun {
  readonly context: KubectlContext;
  readonly values: ApplyValues;
  readonly printer: ResultPrinter;
}

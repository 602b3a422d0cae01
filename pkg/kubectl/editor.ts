/** A text in the person's editor, until it is left as it was or taken as it is. Source: kubectl `cmd/util/editor/editoptions.go`. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '#pkg/component/user-error.ts';
import type { KubectlContext } from './context.ts';
import { runEditor } from './run-program.ts';

const header = `# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
`;

/** What came of taking an edited text: done, or why it has to be edited again. */
export type Taken = { readonly ok: true } | { readonly ok: false; readonly problem: string };

/** What is edited, and who takes it. */
export interface Edit {
  readonly text: string;
  /** Ending of the file's name, by which editors know it. */
  readonly extension: 'json' | 'yaml';
  /** Takes the edited text, without its comments. */
  take(text: string): Promise<Taken>;
}

/** Opens the editor, again and again until the text is taken; resolves to the exit code. */
export async function editText(context: KubectlContext, edit: Edit): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'kubectl-edit-'));
  const file = join(folder, `edit.${edit.extension}`);
  try {
    let problem: string | undefined;
    let last = edit.text;
    for (;;) {
      writeFileSync(file, `${header}${problem === undefined ? '' : `${commented(problem)}#\n`}${last}`, {
        mode: 0o600,
      });
      const code = await runEditor(context, editorOf(context), file);
      if (code !== 0)
        throw new UserError(`error: there was a problem with the editor ${JSON.stringify(editorOf(context))}`);
      const text = withoutComments(readFileSync(file, 'utf8'));
      if (text.trim() === '') {
        context.complain('Edit cancelled, saved file was empty.');
        return 0;
      }
      if (text === withoutComments(last)) {
        if (problem !== undefined) return keepCopy(context, last, edit.extension);
        context.complain('Edit cancelled, no changes made.');
        return 0;
      }
      const taken = await edit.take(text);
      if (taken.ok) return 0;
      problem = taken.problem;
      last = text;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function editorOf({ machine: { environment } }: KubectlContext): string {
  return environment.KUBE_EDITOR || environment.EDITOR || 'vi';
}

function withoutComments(text: string): string {
  return text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n');
}

function commented(text: string): string {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => `# ${line}\n`)
    .join('');
}

function keepCopy(context: KubectlContext, text: string, extension: string): number {
  const copy = join(mkdtempSync(join(tmpdir(), 'kubectl-edit-')), `edit.${extension}`);
  writeFileSync(copy, text, { mode: 0o600 });
  context.complain(`A copy of your changes has been stored to ${JSON.stringify(copy)}`);
  context.complain('error: Edit cancelled, no valid changes were saved.');
  return 1;
}

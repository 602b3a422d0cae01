/** The YAML of an object, to look at and to change. What is applied is merged by the server; who else owns a field that was changed is said, and can be overruled. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ApplyRequest, ObjectText, Problem } from '../model/protocol.ts';
import { AskError, ask } from './ask.ts';
import type { Editor } from './editor.ts';
import { type ObjectTabProps, objectPath } from './object-place.ts';
import { isDark } from './theme.tsx';

type Said = { readonly text: string } | { readonly problem: Problem; readonly isConflict: boolean };

/** The tab. */
export function YamlTab(props: ObjectTabProps) {
  const place = useRef<HTMLDivElement>(null);
  const editor = useRef<Editor>(undefined);
  const [said, setSaid] = useState<Said>({ text: 'Loading …' });
  const [version, setVersion] = useState('');
  const path = objectPath(props);
  const show = async (given: ObjectText | undefined, text: string): Promise<void> => {
    const object = given ?? (await ask<ObjectText>('GET', path));
    setVersion(object.resourceVersion);
    if (editor.current !== undefined) editor.current.set(object.yaml);
    else {
      const { createEditor } = await import('./editor.ts');
      if (place.current !== null) editor.current ??= createEditor(place.current, object.yaml, isDark.value);
    }
    setSaid({ text });
  };
  const run = (step: () => Promise<void>): void => {
    step().catch((error: unknown) => {
      if (!(error instanceof AskError)) throw error;
      setSaid({ problem: error.problem, isConflict: error.problem.reason === 'Conflict' });
    });
  };
  useEffect(() => {
    run(() => show(undefined, ''));
    return () => {
      editor.current?.close();
      editor.current = undefined;
    };
  }, [path, isDark.value]);
  const apply = (options: Pick<ApplyRequest, 'dryRun' | 'force'>): void =>
    run(async () => {
      const yaml = editor.current?.text() ?? '';
      const object = await ask<ObjectText>('PUT', path, { yaml, ...options });
      if (options.dryRun === true) setSaid({ text: 'The server would take this.' });
      else await show(object, 'Applied.');
    });
  return (
    <>
      <div class="tools">
        <button type="button" onClick={() => apply({})}>
          Apply
        </button>
        <button type="button" onClick={() => apply({ dryRun: true })}>
          Try
        </button>
        <button type="button" onClick={() => run(() => show(undefined, ''))}>
          Read again
        </button>
        <span class="quiet">Version {version}</span>
        <span role="status">{'text' in said ? said.text : ''}</span>
      </div>
      {'problem' in said ? <Refused said={said} onForce={() => apply({ force: true })} /> : null}
      <div class="editor" ref={place} />
    </>
  );
}

interface RefusedProps {
  readonly said: Extract<Said, { readonly problem: Problem }>;
  onForce(): void;
}

function Refused({ said: { problem, isConflict }, onForce }: RefusedProps) {
  const { causes = [] } = problem;
  return (
    <div role="alert" class="refused">
      <p>{problem.message}</p>
      <ul>
        {causes.map(({ field, message }) => (
          <li key={`${field} ${message}`}>
            <code>{field}</code> {message}
          </li>
        ))}
      </ul>
      {isConflict && causes.length > 0 ? (
        <button type="button" class="danger" onClick={onForce}>
          Apply all the same, and own these fields
        </button>
      ) : null}
    </div>
  );
}

/** What a container writes, and a terminal in it. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { openView } from './live.ts';
import type { ObjectTabProps } from './object-place.ts';

/** Characters of a log that the page keeps: a page with a million lines serves nobody. */
const logCharsMax = 1_000_000;

/** The log of a pod. */
export function LogTab({ row, namespace, name }: ObjectTabProps) {
  return <Log containers={row?.facts.containers ?? []} namespace={namespace} pod={name} />;
}

interface LogProps {
  readonly containers: readonly string[];
  readonly namespace: string;
  readonly pod: string;
}

/** The log of one of the containers of a pod. */
export function Log({ containers, namespace, pod }: LogProps) {
  const [container, setContainer] = useState('');
  const [isPrevious, setPrevious] = useState(false);
  const [follows, setFollows] = useState(true);
  const [text, setText] = useState('');
  const [said, setSaid] = useState('');
  const output = useRef<HTMLElement>(null);
  const chosen = container === '' ? (containers[0] ?? '') : container;
  useEffect(() => {
    if (chosen === '') return undefined;
    setText('');
    setSaid('');
    let all = '';
    let frame = 0;
    const view = openView({ kind: 'log', namespace, pod, container: chosen, previous: isPrevious }, (message) => {
      if (message.type === 'end')
        setSaid(message.problem ?? (all === '' ? 'Nothing is written there.' : 'The log has ended.'));
      if (message.type !== 'text') return;
      all = (all + message.text).slice(-logCharsMax);
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => setText(all));
    });
    return () => view.close();
  }, [namespace, pod, chosen, isPrevious]);
  useEffect(() => {
    if (follows && output.current !== null) output.current.scrollTop = output.current.scrollHeight;
  }, [text, follows]);
  return (
    <>
      <div class="tools">
        <ContainerChoice containers={containers} value={chosen} onChange={setContainer} />
        <label class="inline">
          <input type="checkbox" checked={isPrevious} onChange={(event) => setPrevious(event.currentTarget.checked)} />{' '}
          Of the run before
        </label>
        <label class="inline">
          <input type="checkbox" checked={follows} onChange={(event) => setFollows(event.currentTarget.checked)} />{' '}
          Follow
        </label>
        <span role="status">{said}</span>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls can be scrolled by keyboard. */}
      <section class="log" ref={output} tabIndex={0} aria-label={`Log of ${chosen}`}>
        <pre>{text}</pre>
      </section>
    </>
  );
}

/** A terminal, which begins when it is asked for: a command in a container is not only looking. */
export function ExecTab({ row, namespace, name }: ObjectTabProps) {
  const containers = row?.facts.containers ?? [];
  const [container, setContainer] = useState('');
  const [command, setCommand] = useState('sh');
  const [run, setRun] = useState(0);
  const [said, setSaid] = useState('');
  const place = useRef<HTMLDivElement>(null);
  const chosen = container === '' ? (containers[0] ?? '') : container;
  useEffect(() => {
    const element = place.current;
    if (run === 0 || element === null) return undefined;
    let close = (): void => {};
    let isOver = false;
    void import('./terminal.ts').then(({ openTerminal }) => {
      if (isOver) return;
      const words = command.split(/\s+/).filter((word) => word !== '');
      close = openTerminal(element, { namespace, pod: name, container: chosen, command: words }, setSaid);
    });
    return () => {
      isOver = true;
      close();
    };
  }, [run]);
  return (
    <>
      <form
        class="tools"
        onSubmit={(event) => {
          event.preventDefault();
          setSaid('');
          setRun(run + 1);
        }}
      >
        <ContainerChoice containers={containers} value={chosen} onChange={setContainer} />
        <label>
          Command
          <input value={command} onInput={(event) => setCommand(event.currentTarget.value)} />
        </label>
        <button type="submit" disabled={chosen === '' || command.trim() === ''}>
          {run === 0 ? 'Run' : 'Run again'}
        </button>
        <span role="status">{said}</span>
      </form>
      <div class="terminal" ref={place} />
    </>
  );
}

interface ContainerChoiceProps {
  readonly containers: readonly string[];
  readonly value: string;
  onChange(value: string): void;
}

function ContainerChoice({ containers, value, onChange }: ContainerChoiceProps) {
  return (
    <label>
      Container
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {containers.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  );
}

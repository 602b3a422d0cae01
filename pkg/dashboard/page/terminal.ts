/** The terminal, loaded with the first command. */
import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import type { ExecQuery } from '../model/protocol.ts';
import { openView } from './live.ts';

/** Runs a command with a terminal in an element; `say` is told how it ended. Gives what ends it. */
export function openTerminal(
  parent: HTMLElement,
  query: Omit<ExecQuery, 'kind'>,
  say: (text: string) => void,
): () => void {
  const terminal = new Terminal({ screenReaderMode: true, fontSize: 13, theme: { background: '#14181f' } });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(parent);
  const view = openView({ kind: 'exec', ...query }, (message) => {
    if (message.type === 'text') terminal.write(message.text);
    if (message.type !== 'end') return;
    say(message.problem ?? `The command has ended with code ${message.code ?? 0}.`);
    terminal.options.disableStdin = true;
  });
  terminal.onData((text) => view.input(text));
  terminal.onResize(({ cols, rows }) => view.resize(cols, rows));
  fit.fit();
  view.resize(terminal.cols, terminal.rows);
  const observer = new ResizeObserver(() => fit.fit());
  observer.observe(parent);
  terminal.focus();
  return () => {
    observer.disconnect();
    view.close();
    terminal.dispose();
  };
}
